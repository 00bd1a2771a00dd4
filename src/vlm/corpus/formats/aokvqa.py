"""A-OKVQA (arXiv:2206.01718): aokvqa_v1p0_train.json.

Each question becomes as many records as it has choices, which are turned round so that the right one takes
every letter once; the records of a question share its id. LLaVA-1.5 has 66,160 of them, 16,540 questions of
four choices; the official train split has 17,056, and which were left out is not published.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

from vlm.corpus.formats.coco import PREFIX, coco_file
from vlm.corpus.formats.conversation import make_record
from vlm.corpus.formats.prompts import LETTER
from vlm.corpus.formats.rows import Kind, read_rows
from vlm.options import MISSING

_KINDS: dict[str, Kind] = {
    "image_id": int, "question_id": str, "question": str, "choices": list, "correct_choice_idx": int,
}  # fmt: skip


@dataclass
class Options:
    """What the format reads."""

    annotations: str = MISSING
    prefix: str = PREFIX


def convert(options: Options) -> Iterator[dict[str, Any]]:
    """Yield LLaVA records.

    Raises:
        ValueError: The file is not as it should be, or a right choice is none of the choices.
    """
    for row in read_rows("annotations", options.annotations, _KINDS):
        choices, right = row["choices"], row["correct_choice_idx"]
        if not 0 <= right < len(choices) <= len(ascii_uppercase):
            raise ValueError(
                f"annotations={options.annotations}: question {row['question_id']} has {len(choices)} "
                f"choices and correct_choice_idx {right}; take the official file as it was released"
            )
        for place, letter in enumerate(ascii_uppercase[: len(choices)]):
            start = (right - place) % len(choices)
            question = _question(row["question"], choices[start:] + choices[:start])
            image = coco_file(options.prefix, row["image_id"])
            yield make_record(row["question_id"], image, [(question, letter)])


def _question(text: str, choices: list[str]) -> str:
    lines = [f"{letter}. {choice}" for letter, choice in zip(ascii_uppercase, choices, strict=False)]
    return "\n".join([text, *lines, LETTER])
