"""VQAv2: all questions of a picture, one conversation."""

from collections.abc import Callable
from typing import Any

import pytest

from vlm.corpus.formats.vqav2 import Options, convert

Write = Callable[[str, Any], str]

QUESTIONS = [
    {"image_id": 458752, "question": "What is this photo taken looking through?", "question_id": 458752000},
    {"image_id": 9, "question": "How many cookies?", "question_id": 9001},
    {"image_id": 458752, "question": "What color is his shirt?", "question_id": 458752001},
    {"image_id": 9, "question": "What is green?", "question_id": 9000},
    {"image_id": 9, "question": "Is it lunch?", "question_id": 9002},
]
ANSWERS = {458752001: "orange", 458752000: "net", 9000: "broccoli", 9001: "2", 9002: "yes"}


def options(write: Write, questions: list[Any], answers: dict[int, str], **others: Any) -> Options:
    annotations = [{"question_id": key, "multiple_choice_answer": said} for key, said in answers.items()]
    return Options(
        write("questions.json", {"info": {}, "questions": questions}),
        write("annotations.json", {"annotations": annotations}),
        **others,
    )


def test_questions_are_merged_in_the_order_of_their_ids(write: Write) -> None:
    assert list(convert(options(write, QUESTIONS, ANSWERS))) == [
        {
            "id": "000000000009",
            "image": "coco/train2017/000000000009.jpg",
            "conversations": [
                {
                    "from": "human",
                    "value": "<image>\nWhat is green?\nAnswer the question using a single word or phrase.",
                },
                {"from": "gpt", "value": "broccoli"},
                {"from": "human", "value": "How many cookies?"},
                {"from": "gpt", "value": "2"},
                {"from": "human", "value": "Is it lunch?"},
                {"from": "gpt", "value": "yes"},
            ],
        },
        {
            "id": "000000458752",
            "image": "coco/train2017/000000458752.jpg",
            "conversations": [
                {
                    "from": "human",
                    "value": "<image>\nWhat is this photo taken looking through?\n"
                    "Answer the question using a single word or phrase.",
                },
                {"from": "gpt", "value": "net"},
                {"from": "human", "value": "What color is his shirt?"},
                {"from": "gpt", "value": "orange"},
            ],
        },
    ]


def test_the_order_of_the_files_does_not_matter(write: Write) -> None:
    turned = dict(reversed(ANSWERS.items()))
    first = list(convert(options(write, QUESTIONS, ANSWERS)))
    assert list(convert(options(write, QUESTIONS[::-1], turned))) == first


def test_the_prefix_is_an_option(write: Write) -> None:
    [record] = convert(options(write, QUESTIONS[1:2], ANSWERS, prefix="elsewhere"))
    assert record["image"] == "elsewhere/000000000009.jpg"


def test_a_question_without_annotation_is_named_with_both_files(write: Write) -> None:
    answers = {key: said for key, said in ANSWERS.items() if key != 9002}
    with pytest.raises(
        ValueError, match=r"^questions=.*questions.json: question 9002 is not in ann.*\.json;"
    ):
        list(convert(options(write, QUESTIONS, answers)))
