"""OCR-VQA (ICDAR 2019; doi:10.1109/ICDAR.2019.00156): dataset.json.

All questions on a book's cover are one conversation, in the order of the file. Only the train split is read,
and of it LLaVA-1.5 draws 80,000 covers. Every cover is expected as .jpg, whatever its address ends in
(LLaVA issues 593 and 601).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from vlm.corpus.formats.conversation import make_record, with_prompt
from vlm.corpus.formats.prompts import SHORT_ANSWER
from vlm.corpus.formats.rows import check_row, read_table
from vlm.options import MISSING

TRAIN = 1


@dataclass
class Options:
    """What the format reads."""

    annotations: str = MISSING
    prefix: str = "ocr_vqa/images"
    samples: int = 80_000
    """Records, at most."""
    seed: int = 1


def convert(options: Options) -> Iterator[dict[str, Any]]:
    """Yield LLaVA records in the order of the file; which are drawn does not depend on it.

    Raises:
        ValueError: The file is not as it should be, questions and answers are not pairs, or `samples` is
            less than one.
    """
    if options.samples < 1:
        raise ValueError(f"samples must be at least 1, got {options.samples}")
    table = read_table("annotations", options.annotations, {"split": int})
    names = sorted(name for name, row in table.items() if row["split"] == TRAIN)
    drawn = set(Random(options.seed).sample(names, min(options.samples, len(names))))
    for name in table:
        if name in drawn:
            place = f"annotations={options.annotations}: row {name}"
            turns = with_prompt(_turns(place, table[name]), SHORT_ANSWER)
            yield make_record(name, f"{options.prefix}/{name}.jpg", turns)


def _turns(place: str, row: dict[str, Any]) -> list[tuple[str, str]]:
    check_row(place, row, {"questions": list, "answers": list})
    questions, answers = row["questions"], row["answers"]
    if not questions or len(questions) != len(answers):
        raise ValueError(
            f"{place} has {len(questions)} questions and {len(answers)} answers; mend or drop it"
        )
    return list(zip(questions, answers, strict=True))
