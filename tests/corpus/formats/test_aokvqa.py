"""A-OKVQA: the right choice takes every letter once."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from vlm.corpus.formats.aokvqa import Options, convert

Write = Callable[[str, Any], str]

ROW = {
    "image_id": 299207,
    "question_id": "22MexNkBPpdZGX6sxbxVBH",
    "question": "What is the man by the bags awaiting?",
    "choices": ["skateboarder", "train", "delivery", "cab"],
    "correct_choice_idx": 3,
}
THREE = ROW | {"question_id": "x", "choices": ["left", "right", "up"], "correct_choice_idx": 1}


def records(write: Write, *rows: Any) -> list[dict[str, Any]]:
    return list(convert(Options(write("aokvqa.json", list(rows)))))


def test_a_record_to_the_letter(write: Write) -> None:
    assert records(write, ROW)[3] == {
        "id": "22MexNkBPpdZGX6sxbxVBH",
        "image": "coco/train2017/000000299207.jpg",
        "conversations": [
            {
                "from": "human",
                "value": "<image>\nWhat is the man by the bags awaiting?\n"
                "A. skateboarder\nB. train\nC. delivery\nD. cab\n"
                "Answer with the option's letter from the given choices directly.",
            },
            {"from": "gpt", "value": "D"},
        ],
    }


def test_as_many_records_as_choices_and_each_letter_is_right_once(write: Write) -> None:
    made = records(write, ROW, THREE)
    assert [record["id"] for record in made] == [ROW["question_id"]] * 4 + ["x"] * 3
    assert [record["conversations"][1]["value"] for record in made] == list("ABCDABC")
    for number, record in enumerate(made):
        question, answer = (turn["value"] for turn in record["conversations"])
        shown = dict(re.findall(r"^([A-Z])\. (.*)$", question, re.MULTILINE))
        row = ROW if number < 4 else THREE
        assert "".join(shown) == "ABCD"[: len(row["choices"])]
        assert sorted(shown.values()) == sorted(row["choices"])
        assert shown[answer] == row["choices"][row["correct_choice_idx"]]
        assert question.endswith("\nAnswer with the option's letter from the given choices directly.")


@pytest.mark.parametrize("right", [4, -1])
def test_a_right_choice_that_is_none_is_named(write: Write, right: int) -> None:
    with pytest.raises(ValueError, match=rf"^annotations=.*aokvqa.json: question 22Mex\w+ has 4 .* {right};"):
        records(write, ROW | {"correct_choice_idx": right})


def test_the_test_split_has_no_right_choices(write: Write) -> None:
    row = {key: value for key, value in ROW.items() if key != "correct_choice_idx"}
    with pytest.raises(ValueError, match=r"^annotations=.*aokvqa.json: row 1 has no correct_choice_idx;"):
        records(write, ROW, row)
