"""GQA (arXiv:1902.09506): train_balanced_questions.json.

All questions on a picture are one conversation, in the order of the file; the answer is the short one. The
balanced train split gives LLaVA-1.5's 72,140 records.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from vlm.corpus.formats.conversation import group, make_record, with_prompt
from vlm.corpus.formats.prompts import SHORT_ANSWER
from vlm.corpus.formats.rows import read_table
from vlm.options import MISSING


@dataclass
class Options:
    """What the format reads."""

    questions: str = MISSING
    prefix: str = "gqa/images"


def convert(options: Options) -> Iterator[dict[str, Any]]:
    """Yield LLaVA records.

    Raises:
        ValueError: The file is not as it should be.
    """
    kinds = {"imageId": str, "question": str, "answer": str}
    rows = read_table("questions", options.questions, kinds).values()
    for image, turns in group((row["imageId"], (row["question"], row["answer"])) for row in rows).items():
        yield make_record(image, f"{options.prefix}/{image}.jpg", with_prompt(turns, SHORT_ANSWER))
