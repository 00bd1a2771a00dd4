"""Anybody's rows, in each response format, and merged by picture."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vlm.corpus.formats.vqa_rows import Options, convert

Write = Callable[[str, Any], str]
SHORT = "Answer the question using a single word or phrase."
LETTER = "Answer with the option's letter from the given choices directly."
UNSURE = "When the provided information is insufficient, respond with 'Unanswerable'."


def turn(write: Write, **row: Any) -> tuple[str, str]:
    """What becomes of one row: what is asked and what is said."""
    [record] = convert(Options(write("rows.json", [{"image": "a.jpg", "question": "Q?"} | row])))
    asked, said = (one["value"] for one in record["conversations"])
    assert asked.startswith("<image>\n")
    return asked.removeprefix("<image>\n"), said


@pytest.mark.parametrize(
    ("row", "asked", "said"),
    [
        ({"answer": " red "}, f"Q?\n{SHORT}", "red"),
        ({"answer": 3}, f"Q?\n{SHORT}", "3"),
        ({"answer": True}, f"Q?\n{SHORT}", "Yes"),
        ({"answer": False}, f"Q?\n{SHORT}", "No"),
        ({"answers": ["a", "b", "b", "a"]}, f"Q?\n{SHORT}", "a"),
        ({"answers": ["a", "b", "b"]}, f"Q?\n{SHORT}", "b"),
        ({"choices": ["red", "blue"], "answer": "blue"}, f"Q?\nA. red\nB. blue\n{LETTER}", "B"),
        ({"choices": ["red", "blue"], "answer": 0}, f"Q?\nA. red\nB. blue\n{LETTER}", "A"),
        ({"choices": [2, 4, 6], "answer": "C"}, f"Q?\nA. 2\nB. 4\nC. 6\n{LETTER}", "C"),
        ({"answerable": True, "answer": "red"}, f"Q?\n{UNSURE}\n{SHORT}", "red"),
        ({"answerable": False}, f"Q?\n{UNSURE}\n{SHORT}", "Unanswerable"),
        ({"ocr_tokens": ["A", "7"], "answer": "7"}, f"Q?\nReference OCR token: A, 7\n{SHORT}", "7"),
    ],
)
def test_a_row_says_in_which_format_it_is_asked(row: Any, asked: str, said: str, write: Write) -> None:
    assert turn(write, **row) == (asked, said)


ROWS = [
    {"image": "x/a.jpg", "question": "Color?", "answer": "red"},
    {"image": "b.jpg", "question": "How many?", "answer": 2},
    {"image": "x/a.jpg", "question": "Is it big?", "answer": True},
    {"image": "x/a.jpg", "question": "Which?", "choices": ["cat", "dog"], "answer": "dog"},
]


def test_rows_about_a_picture_are_one_conversation_and_a_prompt_is_not_repeated(write: Write) -> None:
    first, second = convert(Options(write("rows.json", ROWS), prefix="p"))
    assert [turn["value"] for turn in first["conversations"]] == [
        f"<image>\nColor?\n{SHORT}", "red", "Is it big?", "Yes", f"Which?\nA. cat\nB. dog\n{LETTER}", "B",
    ]  # fmt: skip
    assert (first["id"], first["image"], second["image"]) == ("a", "p/x/a.jpg", "p/b.jpg")


def test_they_are_left_apart_if_one_says_so_each_with_its_prompt(write: Write) -> None:
    records = list(convert(Options(write("rows.json", ROWS), merge=False)))
    assert [record["image"] for record in records] == ["x/a.jpg", "b.jpg", "x/a.jpg", "x/a.jpg"]
    assert all("\nAnswer " in record["conversations"][0]["value"] for record in records)
    assert all(len(record["conversations"]) == 2 for record in records)


def test_rows_may_be_lines(write: Write, tmp_path: Path) -> None:
    lines = tmp_path / "rows.jsonl"
    lines.write_text("\n".join(map(json.dumps, ROWS)) + "\n\n")
    assert list(convert(Options(str(lines)))) == list(convert(Options(write("rows.json", ROWS))))
    lines.write_text('{"image": 1}\n{"image"')
    with pytest.raises(ValueError, match=r"^json=.*rows.jsonl cannot be read: line 2: "):
        list(convert(Options(str(lines))))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({}, "has no answer; mend or drop it"),
        ({"answer": " "}, "has an empty answer"),
        ({"answer": ["a"]}, "answer must be str or bool or int or float"),
        ({"answers": []}, "answers are none; mend or drop it"),
        ({"choices": ["a", "b"], "answer": "c"}, "answer 'c' is not one of its 2 choices"),
        ({"choices": ["a", "b"], "answer": 2}, "answer 2 is not one of its 2 choices"),
        ({"choices": ["a", "b"], "answer": True}, "answer True is not one of its 2 choices"),
        ({"choices": ["a", "a"], "answer": "a"}, "answer 'a' is not one of its 2 choices"),
        ({"choices": ["B", "A"], "answer": "A"}, "answer 'A' is not one of its 2 choices"),  # text or letter?
        ({"choices": ["a"], "answer": 0, "answerable": True}, "has both choices and answerable"),
        ({"image": 1, "answer": "a"}, "image must be str, got 1; mend or drop it"),
    ],
)
def test_a_faulty_row_is_named(row: Any, message: str, write: Write) -> None:
    with pytest.raises(ValueError, match=f"rows.json: row 0.*{message}"):
        turn(write, **row)
