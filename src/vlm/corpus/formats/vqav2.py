"""VQAv2 (arXiv:1612.00837): v2_OpenEnded_mscoco_train2014_questions.json and its annotations.

All questions on a picture are one conversation, in the order of their ids; the answer is the most frequent
of the ten, which the file names. The train split gives LLaVA-1.5's 82,783 records.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from vlm.corpus.formats.coco import PREFIX
from vlm.corpus.formats.vqa import merge_answers
from vlm.options import MISSING


@dataclass
class Options:
    """What the format reads."""

    questions: str = MISSING
    annotations: str = MISSING
    prefix: str = PREFIX


def convert(options: Options) -> Iterator[dict[str, Any]]:
    """Yield LLaVA records.

    Raises:
        ValueError: A file is not as it should be, or a question has no annotation.
    """
    return merge_answers(
        options.questions, options.annotations, options.prefix, {"multiple_choice_answer": str},
        lambda row: row["multiple_choice_answer"],
    )  # fmt: skip
