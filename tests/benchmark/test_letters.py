"""Option letters, by each tool's rule."""

import pytest

from vlm.benchmark.letters import (
    exact_letter,
    inferred_letter,
    last_letter,
    leading_letter,
    scienceqa_letter,
)

COLORS = ("red", "dark blue", "green")


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("B", "B"),
        ("B. dark blue", "B"),
        ("B.", None),  # a period without a space after it
        ("B. ", "B"),
        ("b", None),
        ("F", None),  # letters end at E
        ("The answer is B.", "B"),
        ("The answer is F.", "F"),  # but not in this form; no question has that option
        ("So. The answer is C, I think", "C"),  # any character may follow
        ("The answer is B", None),  # but one must
        ("The answer is A. The answer is B.", None),
        ("B is right", None),
        (" B", None),
        ("", None),
    ],
)
def test_scienceqa(answer: str, letter: str | None) -> None:
    assert scienceqa_letter(answer) == letter


@pytest.mark.parametrize(
    ("answer", "letter"), [("A", "A"), ("D", None), ("A.", None), ("a", None), ("AB", None), ("", None)]
)
def test_exact(answer: str, letter: str | None) -> None:
    assert exact_letter(answer, 3) == letter


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("B", "B"),
        (" B ", "B"),
        ("(B) blue", "B"),
        ("B: blue", "B"),
        ("B) blue", "B"),
        ("D", None),
        ("B blue", None),
        ("A dog", None),
        ("blue (B)", None),
        ("", None),
    ],
)
def test_leading(answer: str, letter: str | None) -> None:
    assert leading_letter(answer, 3) == letter


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("B", "B"),
        ("(B) dark blue", "B"),
        ("**C**", "C"),
        ("The answer is B.", "B"),
        ("A or B", None),  # two letters, and no option's words
        ("A or B, but dark blue", "B"),  # then words decide
        ("D", None),  # no such option
        ("b", None),
        ("it is DARK BLUE", "B"),
        ("red and green", None),
        ("B, because one two three", None),  # a letter is read among the last four words only
        ("B, because one two", "B"),
        ("green, " + "as I have said so many times before and again", None),  # too long for options so short
        ("A thing", "A"),  # an article is a letter
        ("Cannot determine the answer, green", None),  # a refusal; words are not searched
        ("Z green", None),
        ("", None),
    ],
)
def test_inferred(answer: str, letter: str | None) -> None:
    assert inferred_letter(answer, COLORS) == letter


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("B", "B"),
        ("B.", "B"),
        ("'C'", "C"),
        ("(A) or rather (B), not C", "B"),  # brackets count before bare letters, the last of them
        ("A or C", "C"),
        ("A.", "A"),
        ("It is A, I say", None),  # a comma is no space
        ("dark blue", None),  # words are searched in answers of over five words only
        ("I would say that it is Dark Blue", "B"),
        ("not green, I would say, it is red", "A"),
        ("D", None),
        ("", None),
    ],
)
def test_last(answer: str, letter: str | None) -> None:
    assert last_letter(answer, COLORS) == letter
