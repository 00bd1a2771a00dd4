"""TextCaps: a caption for each picture, with what was read in it."""

from collections.abc import Callable
from typing import Any

import pytest

from vlm.corpus.formats.textcaps import Options, convert

Write = Callable[[str, Any], str]

ROWS = [
    {"image_id": "011e7e629fb9ae7b", "caption_id": 12, "caption_str": "A billboard saying 12."},
    {"image_id": "b", "caption_id": 30, "caption_str": "A bottle."},
    {"image_id": "011e7e629fb9ae7b", "caption_id": 9, "caption_str": "A sign on a road. "},
]
WORDS = [
    {"image_id": "b", "ocr_tokens": []},
    {"image_id": "011e7e629fb9ae7b", "ocr_tokens": ["CASA", "A, B", "12"]},
]


def records(write: Write, rows: list[Any], words: list[Any] | None) -> list[dict[str, Any]]:
    ocr = None if words is None else write("ocr.json", {"data": words})
    return list(convert(Options(write("textcaps.json", {"data": rows}), ocr)))


def test_the_caption_of_the_smallest_id_and_the_words(write: Write) -> None:
    assert records(write, ROWS, WORDS) == [
        {
            "id": "011e7e629fb9ae7b",
            "image": "textvqa/train_images/011e7e629fb9ae7b.jpg",
            "conversations": [
                {
                    "from": "human",
                    "value": "<image>\nProvide a one-sentence caption for the provided image.\n"
                    "Reference OCR token: CASA, A, B, 12",
                },
                {"from": "gpt", "value": "A sign on a road."},
            ],
        },
        {
            "id": "b",
            "image": "textvqa/train_images/b.jpg",
            "conversations": [
                {
                    "from": "human",
                    "value": "<image>\nProvide a one-sentence caption for the provided image.\n"
                    "Reference OCR token: ",
                },
                {"from": "gpt", "value": "A bottle."},
            ],
        },
    ]


def test_without_a_file_of_words_the_prompt_stands_alone(write: Write) -> None:
    said = [record["conversations"][0]["value"] for record in records(write, ROWS, None)]
    assert said == ["<image>\nProvide a one-sentence caption for the provided image."] * 2


def test_the_order_of_captions_does_not_matter(write: Write) -> None:
    turned = records(write, ROWS[::-1], WORDS[::-1])
    assert sorted(turned, key=lambda record: record["id"]) == records(write, ROWS, WORDS)


def test_a_picture_without_words_is_named(write: Write) -> None:
    with pytest.raises(ValueError, match=r"^annotations=.*textcaps.json: image b is not in ocr=.*ocr.json;"):
        records(write, ROWS, WORDS[1:])
