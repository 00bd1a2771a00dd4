"""OK-VQA: the most frequent of ten answers."""

from collections.abc import Callable
from typing import Any

import pytest

from vlm.corpus.formats.okvqa import Options, convert

Write = Callable[[str, Any], str]


def options(write: Write, answers: dict[int, list[str]]) -> Options:
    questions = [
        {"image_id": 51606, "question": "What hairstyle is this?", "question_id": 516065},
        {"image_id": 51606, "question": "How old is he?", "question_id": 516060},
        {"image_id": 81721, "question": "What sport?", "question_id": 817215},
    ]
    annotations = [
        {"question_id": key, "answers": [{"answer": text, "raw_answer": "other"} for text in said]}
        for key, said in answers.items()
    ]
    return Options(
        write("questions.json", {"questions": questions}),
        write("annotations.json", {"annotations": annotations}),
    )


def test_the_most_frequent_answer_and_of_equals_the_first(write: Write) -> None:
    answers = {
        516065: ["pony tail"] * 4 + ["braid"] * 6,
        516060: ["7", "9", "9", "7", "8"],
        817215: ["tennis"],
    }
    assert list(convert(options(write, answers))) == [
        {
            "id": "000000051606",
            "image": "coco/train2017/000000051606.jpg",
            "conversations": [
                {
                    "from": "human",
                    "value": "<image>\nHow old is he?\nAnswer the question using a single word or phrase.",
                },
                {"from": "gpt", "value": "7"},
                {"from": "human", "value": "What hairstyle is this?"},
                {"from": "gpt", "value": "braid"},
            ],
        },
        {
            "id": "000000081721",
            "image": "coco/train2017/000000081721.jpg",
            "conversations": [
                {
                    "from": "human",
                    "value": "<image>\nWhat sport?\nAnswer the question using a single word or phrase.",
                },
                {"from": "gpt", "value": "tennis"},
            ],
        },
    ]


def test_no_answers_and_no_annotation_are_named(write: Write) -> None:
    answers = {516065: ["a"], 516060: ["b"], 817215: []}
    with pytest.raises(ValueError, match=r"^annotations=.*annotations.json: answers to question 817215 are"):
        list(convert(options(write, answers)))
    with pytest.raises(ValueError, match=r"question 817215 is not in annotations=.*annotations.json"):
        list(convert(options(write, {516065: ["a"], 516060: ["b"]})))
