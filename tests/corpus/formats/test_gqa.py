"""GQA: all questions of a picture, one conversation."""

from collections.abc import Callable
from typing import Any

from vlm.corpus.formats.gqa import Options, convert


def test_questions_are_merged_in_the_order_of_the_file(write: Callable[[str, Any], str]) -> None:
    questions = {
        "07333408": {"imageId": "2375429", "question": "What is on the wall?", "answer": "pipe"},
        "15736264": {"imageId": "n161313", "question": "Is it clear?", "answer": "no"},
        "02930152": {
            "imageId": "2375429",
            "question": "Who walks?",
            "answer": "dog",
            "fullAnswer": "The dog.",
        },
    }
    assert list(convert(Options(write("questions.json", questions)))) == [
        {
            "id": "2375429",
            "image": "gqa/images/2375429.jpg",
            "conversations": [
                {
                    "from": "human",
                    "value": "<image>\nWhat is on the wall?\n"
                    "Answer the question using a single word or phrase.",
                },
                {"from": "gpt", "value": "pipe"},
                {"from": "human", "value": "Who walks?"},
                {"from": "gpt", "value": "dog"},
            ],
        },
        {
            "id": "n161313",
            "image": "gqa/images/n161313.jpg",
            "conversations": [
                {
                    "from": "human",
                    "value": "<image>\nIs it clear?\nAnswer the question using a single word or phrase.",
                },
                {"from": "gpt", "value": "no"},
            ],
        },
    ]
