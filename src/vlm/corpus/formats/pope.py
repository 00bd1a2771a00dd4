"""Yes-or-no questions as POPE labels them (arXiv:2305.10355): lines of `image`, `text` and `label`.

`vlm data pope` makes such files from boxes, so a model can learn from pictures of its own what is not there.
All questions on a picture are one conversation, in the order of the files, and what is asked in several
files is asked once. `questions` may be several files, separated by commas. A picture's path is its line's
`file`, if it has one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from vlm.corpus.formats.conversation import group, make_record, with_prompt
from vlm.corpus.formats.prompts import SHORT_ANSWER
from vlm.corpus.formats.read import read_list_or_lines
from vlm.corpus.formats.rows import OWN_REMEDY, Kind, check_row
from vlm.options import MISSING

ANSWERS = {"yes": "Yes", "no": "No"}
_KINDS: dict[str, Kind] = {"image": str, "text": str, "label": str}


@dataclass
class Options:
    """What the format reads."""

    questions: str = MISSING
    prefix: str = ""
    """Folder of the pictures, put before each path."""


def convert(options: Options) -> Iterator[dict[str, Any]]:
    """Yield LLaVA records.

    Raises:
        ValueError: A file is not as it should be, or two labels of one question differ.
    """
    asked = group(pair for path in options.questions.split(",") for pair in _read(path))
    for image, turns in asked.items():
        answers = dict(turns)
        for question, answer in turns:
            if answers[question] != answer:
                raise ValueError(
                    f"questions={options.questions}: {question!r} about {image} is both yes and no; mend it"
                )
        path = f"{options.prefix}/{image}" if options.prefix else image
        yield make_record(PurePosixPath(image).stem, path, with_prompt(list(answers.items()), SHORT_ANSWER))


def _read(path: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield picture, question and answer of each line."""
    for number, row in enumerate(read_list_or_lines("questions", Path(path))):
        place = f"questions={path}: row {number}"
        check_row(place, row, _KINDS, OWN_REMEDY)
        if row["label"] not in ANSWERS:
            raise ValueError(f"{place}: label must be yes or no, got {row['label']!r:.40}; {OWN_REMEDY}")
        yield str(row.get("file", row["image"])), (row["text"], ANSWERS[row["label"]])
