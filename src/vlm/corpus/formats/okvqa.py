"""OK-VQA (arXiv:1906.00067): OpenEnded_mscoco_train2014_questions.json, mscoco_train2014_annotations.json.

All questions on a picture are one conversation, in the order of their ids; the answer is the most frequent
of the ten, of equally frequent ones the first. The train split gives LLaVA-1.5's 8,998 records.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from vlm.corpus.formats.coco import PREFIX
from vlm.corpus.formats.rows import check_rows
from vlm.corpus.formats.vqa import merge_answers, most_frequent
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
        ValueError: A file is not as it should be, or a question has no annotation or no answer.
    """
    return merge_answers(
        options.questions, options.annotations, options.prefix, {"answers": list},
        lambda row: _most_frequent(f"annotations={options.annotations}", row),
    )  # fmt: skip


def _most_frequent(file: str, row: dict[str, Any]) -> str:
    place = f"{file}: answers to question {row['question_id']}"
    return most_frequent(place, [one["answer"] for one in check_rows(place, row["answers"], {"answer": str})])
