"""VizWiz (arXiv:1802.08218): train.json, blind people's own pictures and questions, with what has no answer.

The prompt is the one that LLaVA-1.5 is evaluated with: it may say `Unanswerable`. That is the answer where
the file says that there is none; else it is what most of the ten people said, of those who answered.
LLaVA-1.5 is not trained on this set.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from vlm.corpus.formats.conversation import group, make_record, with_prompt
from vlm.corpus.formats.prompts import SHORT_ANSWER, UNANSWERABLE, UNSURE
from vlm.corpus.formats.rows import Kind, check_rows, read_rows
from vlm.corpus.formats.vqa import most_frequent
from vlm.options import MISSING

NO_ANSWERS = ("unanswerable", "unsuitable", "unsuitable image")
"""What people write who cannot answer."""

_KINDS: dict[str, Kind] = {"image": str, "question": str, "answers": list, "answerable": int}


@dataclass
class Options:
    """What the format reads."""

    annotations: str = MISSING
    prefix: str = "vizwiz/train"


def convert(options: Options) -> Iterator[dict[str, Any]]:
    """Yield LLaVA records in the order of the file.

    Raises:
        ValueError: The file is not as it should be, or a question that has an answer has none.
    """
    rows = read_rows("annotations", options.annotations, _KINDS)
    turns = group((row["image"], (row["question"], _answer(options.annotations, row))) for row in rows)
    for image, merged in turns.items():
        asked = with_prompt(merged, f"{UNSURE}\n{SHORT_ANSWER}")
        yield make_record(PurePosixPath(image).stem, f"{options.prefix}/{image}", asked)


def _answer(file: str, row: dict[str, Any]) -> str:
    if not row["answerable"]:
        return UNANSWERABLE
    place = f"annotations={file}: answers about {row['image']}"
    said = [person["answer"] for person in check_rows(place, row["answers"], {"answer": str})]
    return most_frequent(place, [text for text in said if text.strip().lower() not in NO_ANSWERS])
