"""MMMU's reading of answers to open questions (its `eval_utils.py`, arXiv:2311.16502)."""

import re
from collections.abc import Iterable

KEYS = ("could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result ")
"""What comes after the last of these may be the answer."""
TRIVIAL = frozenset(":,.!?;'")
NUMBERS = (
    r"-?\b\d{1,3}(?:,\d{3})+\b",
    r"-?\d+(?:\.\d+)?[eE][+-]?\d+",
    r"-?(?:\d+\.\d+|\.\d+|\d+\b)(?![eE][+-]?\d+)(?![,\d])",
)
"""Numbers with commas between thousands; in scientific notation; plain."""


def read_open(answer: str) -> list[str | float]:
    """Return all that an answer may mean to say: what comes after key words, and the numbers in it.

    Numbers are rounded to two decimals. A text is in lower case, and one of a single character comes as two,
    with a space on either side.
    """
    said = _key_parts(answer)
    numbers = [number for part in said for pattern in NUMBERS for number in re.findall(pattern, part)]
    return [value for text in said + numbers for value in normalised(text)]


def normalised(text: str) -> list[str | float]:
    """Return a text as it is compared."""
    text = text.strip()
    try:
        return [round(float(text.replace(",", "")), 2)]
    except ValueError:
        text = text.lower()
    return [f" {text}", f"{text} "] if len(text) == 1 else [text]


def is_among(right: Iterable[str], said: Iterable[str | float]) -> bool:
    """Return whether a right answer is part of a text that was said, or equals a number that was said."""
    accepted = [value for answer in right for value in normalised(answer)]
    texts = [value for value in accepted if isinstance(value, str)]
    return any(
        any(text in value for text in texts) if isinstance(value, str) else value in accepted
        for value in said
    )


def _key_parts(answer: str) -> list[str]:
    """Return the shortest end of each line after a key word; the whole answer if no line has one.

    The official rule means to part sentences, too, by a period before a capital; but the answer is in lower
    case by then. In the last line, which may be an equation, `=` is a key as well.
    """
    answer = answer.strip().strip(".").lower()
    lines = answer.split("\n")
    parts = []
    for number, line in enumerate(lines, 1):
        keys = (*KEYS, "=") if number == len(lines) else KEYS
        shortest = ""
        for key in keys:
            if key in line:
                end = line.split(key)[-1].strip()
                if not shortest or len(end) < len(shortest):
                    shortest = end
        if shortest and shortest not in TRIVIAL:
            parts.append(shortest)
    return parts or [answer]
