"""TextVQA: short answers about words, with what an OCR system read."""

from collections.abc import Callable
from typing import Any

import pytest

from vlm.corpus.formats.textvqa import Options, convert

Write = Callable[[str, Any], str]
SHORT = "Answer the question using a single word or phrase."

ROWS = [
    {"question_id": 7, "image_id": "a1", "question": "What year?", "answers": ["1999"] * 4 + ["1998"] * 6},
    {"question_id": 9, "image_id": "b2", "question": "Which shop?", "answers": ["zara", "zara"]},
    {"question_id": 3, "image_id": "a1", "question": "What brand?", "answers": ["nokia", "apple", "apple"]},
]
WORDS = [
    {"image_id": "a1", "ocr_tokens": ["NOKIA", "1999"]},
    {"image_id": "b2", "ocr_tokens": []},
]


def records(write: Write, rows: list[Any], words: list[Any] | None) -> list[dict[str, Any]]:
    ocr = None if words is None else write("ocr.json", {"data": words})
    return list(convert(Options(write("textvqa.json", {"data": rows}), ocr)))


def test_a_picture_is_one_conversation_whose_first_question_has_words_and_prompt(write: Write) -> None:
    first, second = records(write, ROWS, WORDS)
    assert first == {
        "id": "a1",
        "image": "textvqa/train_images/a1.jpg",
        "conversations": [
            {"from": "human", "value": f"<image>\nWhat brand?\nReference OCR token: NOKIA, 1999\n{SHORT}"},
            {"from": "gpt", "value": "apple"},
            {"from": "human", "value": "What year?"},
            {"from": "gpt", "value": "1998"},
        ],
    }
    said = second["conversations"][0]["value"]
    assert said == f"<image>\nWhich shop?\nReference OCR token: \n{SHORT}"


def test_without_a_file_of_words_only_the_prompt_stands_there(write: Write) -> None:
    assert [record["conversations"][0]["value"] for record in records(write, ROWS, None)] == [
        f"<image>\nWhat brand?\n{SHORT}",
        f"<image>\nWhich shop?\n{SHORT}",
    ]


def test_no_answers_and_no_words_are_named(write: Write) -> None:
    with pytest.raises(ValueError, match=r"textvqa.json: answers to question 9 are none"):
        records(write, [ROWS[1] | {"answers": []}], None)
    with pytest.raises(ValueError, match=r"^annotations=.*textvqa.json: image b2 is not in ocr=.*ocr.json;"):
        records(write, ROWS, WORDS[:1])
