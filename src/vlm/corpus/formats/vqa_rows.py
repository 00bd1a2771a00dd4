"""Anybody's questions and answers, a row each, in every response format that LLaVA-1.5 knows.

A row holds `image`, `question` and `answer`: a text, a number, or true and false, which are Yes and No; or
`answers`, of which the most frequent counts. What else it holds says in which format it is asked:

    nothing         a word or phrase
    choices         the option's letter; the answer is the option's text, its place from 0, or its letter
    answerable      a word or phrase, and `Unanswerable` where it is false
    ocr_tokens      what an OCR system read stands before the prompt

Rows about one picture become one conversation, in the order of the file; a prompt stands only where it
differs from that of the question before. `merge=false` leaves each in a record of its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from string import ascii_uppercase
from typing import Any

from vlm.corpus.formats.conversation import Turn, group, make_record, with_prompts
from vlm.corpus.formats.ocr import ocr_line
from vlm.corpus.formats.prompts import LETTER, SHORT_ANSWER, UNANSWERABLE, UNSURE
from vlm.corpus.formats.read import read_list_or_lines
from vlm.corpus.formats.rows import OWN_REMEDY, Kind, check_row
from vlm.corpus.formats.vqa import most_frequent
from vlm.options import MISSING


@dataclass
class Options:
    """What the format reads."""

    json: str = MISSING
    """A list of rows, or a row in each line."""
    prefix: str = ""
    """Folder of the pictures, put before each path."""
    merge: bool = True
    """One conversation for each picture."""


def convert(options: Options) -> Iterator[dict[str, Any]]:
    """Yield LLaVA records in the order in which their pictures come.

    Raises:
        ValueError: A row lacks something, or its answer is no answer in its format; the row is named.
    """
    rows = read_list_or_lines("json", Path(options.json))
    asked = [_ask(f"json={options.json}: row {number}", row) for number, row in enumerate(rows)]
    merged = group(
        (image if options.merge else (image, number), (turn, prompt))
        for number, (image, turn, prompt) in enumerate(asked)
    )
    for key, pairs in merged.items():
        image = key if isinstance(key, str) else key[0]
        turns, prompts = zip(*pairs, strict=True)
        path = f"{options.prefix}/{image}" if options.prefix else image
        yield make_record(PurePosixPath(image).stem, path, with_prompts(turns, prompts))


def _ask(place: str, row: Any) -> tuple[str, Turn, str]:
    """Return a row's picture, its question with its answer, and its prompt."""
    _held(place, row, {"image": str, "question": str})
    if "choices" in row and "answerable" in row:
        raise ValueError(f"{place} has both choices and answerable; leave one out")
    lines, question = [], row["question"].strip()
    if "ocr_tokens" in row:
        lines.append(ocr_line(_held(place, row, {"ocr_tokens": list})["ocr_tokens"]))
    if "choices" in row:
        choices = [str(choice) for choice in _held(place, row, {"choices": list})["choices"]]
        letters = ascii_uppercase[: len(choices)]
        options = [f"{letter}. {choice}" for letter, choice in zip(letters, choices, strict=False)]
        turn = ("\n".join([question, *options]), _letter(place, row, choices))
        return row["image"], turn, "\n".join([*lines, LETTER])
    if "answerable" in row:
        lines.append(UNSURE)
    answer = _answer(place, row) if row.get("answerable", True) else UNANSWERABLE
    return row["image"], (question, answer), "\n".join([*lines, SHORT_ANSWER])


def _answer(place: str, row: dict[str, Any]) -> str:
    if "answers" in row:
        said = _held(place, row, {"answers": list})["answers"]
        return most_frequent(f"{place}: answers", [str(one) for one in said], OWN_REMEDY).strip()
    answer = _held(place, row, {"answer": (str, bool, int, float)})["answer"]
    if isinstance(answer, bool):
        return "Yes" if answer else "No"
    if not str(answer).strip():
        raise ValueError(f"{place} has an empty answer; mend or drop it")
    return str(answer).strip()


def _letter(place: str, row: dict[str, Any], choices: list[str]) -> str:
    """Return the letter of the right option, whichever way the row names it."""
    answer = _held(place, row, {"answer": (str, int)})["answer"]
    letters = list(ascii_uppercase[: len(choices)])
    places = range(len(choices))
    if isinstance(answer, str):
        found = [number for number in places if answer in (choices[number], letters[number])]
    else:
        found = [number for number in places if number == answer and not isinstance(answer, bool)]
    if len(choices) > len(ascii_uppercase) or len(found) != 1:
        raise ValueError(f"{place}: answer {answer!r:.40} is not one of its {len(choices)} choices; mend it")
    return letters[found[0]]


def _held(place: str, row: Any, kinds: dict[str, Kind]) -> dict[str, Any]:
    return check_row(place, row, kinds, OWN_REMEDY)
