"""ScienceQA: QCM-LEA."""

from collections.abc import Callable
from typing import Any

import pytest

from vlm.corpus.formats.scienceqa import Options, convert

Write = Callable[[str, Any], str]

SEEN = {
    "question": "Which of these states is farthest north?", "choices": ["West Virginia", "Louisiana"],
    "answer": 0, "hint": "Look  at it.", "image": "image.png", "lecture": "Maps have\nfour directions.",
    "solution": "To find it, look.", "split": "train",
}  # fmt: skip
READ = SEEN | {"image": None, "hint": "", "lecture": "", "solution": "", "answer": 1}
PROBLEMS = {"1": SEEN, "2": READ | {"solution": "Because."}, "5": READ, "9": SEEN | {"split": "val"}}
SPLITS = {"train": ["5", "1", "2"], "minival": ["9"]}


def records(write: Write, problems: Any = PROBLEMS, splits: Any = SPLITS, **others: Any) -> list[Any]:
    return list(convert(Options(write("problems.json", problems), write("splits.json", splits), **others)))


def test_records_to_the_letter_in_the_order_of_the_split(write: Write) -> None:
    without = (
        "Which of these states is farthest north?\nContext: N/A\nOptions: (A) West Virginia (B) Louisiana"
    )
    assert records(write) == [
        {
            "id": "5",
            "conversations": [
                {"from": "human", "value": without},
                {"from": "gpt", "value": "The answer is B."},
            ],
        },
        {
            "id": "1",
            "image": "scienceqa/images/train/1/image.png",
            "conversations": [
                {
                    "from": "human",
                    "value": "Which of these states is farthest north?\nContext: Look at it.\n"
                    "Options: (A) West Virginia (B) Louisiana\n<image>",
                },
                {
                    "from": "gpt",
                    "value": "Maps have\nfour directions. To find it, look. The answer is A.",
                },
            ],
        },
        {
            "id": "2",
            "conversations": [
                {"from": "human", "value": without},
                {"from": "gpt", "value": "Because. The answer is B."},
            ],
        },
    ]


def test_a_part_of_a_split_has_its_pictures(write: Write) -> None:
    [record] = records(write, split="minival", prefix="elsewhere")
    assert record["image"] == "elsewhere/val/9/image.png"


def test_what_is_wrong_is_named(write: Write) -> None:
    with pytest.raises(ValueError, match=r"^split=all is not in splits=.*; choose one of train, minival$"):
        records(write, split="all")
    with pytest.raises(
        ValueError, match=r"^problems=.*problems.json: problem 5 is missing, but in splits=.*;"
    ):
        records(write, {"1": SEEN})
    with pytest.raises(ValueError, match=r"^problems=.*problems.json: problem 5 has 2 choices and answer 2;"):
        records(write, PROBLEMS | {"5": READ | {"answer": 2}})
