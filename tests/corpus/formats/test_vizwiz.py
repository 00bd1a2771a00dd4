"""VizWiz: some questions have no answer, and the prompt says so."""

from collections.abc import Callable
from typing import Any

import pytest

from vlm.corpus.formats.vizwiz import Options, convert

Write = Callable[[str, Any], str]
PROMPT = (
    "When the provided information is insufficient, respond with 'Unanswerable'.\n"
    "Answer the question using a single word or phrase."
)


def row(image: str, answers: list[str], answerable: int) -> dict[str, Any]:
    said = [{"answer": answer, "answer_confidence": "yes"} for answer in answers]
    return {"image": image, "question": "What is it?", "answers": said, "answerable": answerable}


def records(write: Write, *rows: Any) -> list[dict[str, Any]]:
    return list(convert(Options(write("train.json", list(rows)))))


def test_what_cannot_be_answered_is_unanswerable_and_other_answers_are_peoples(write: Write) -> None:
    rows = (
        row("VizWiz_train_0.jpg", ["unanswerable"] * 6 + ["dog"] * 4, 0),
        row("VizWiz_train_1.jpg", ["unsuitable image", "Unanswerable", "unanswerable", "basil", "basil"], 1),
    )
    assert records(write, *rows) == [
        {
            "id": f"VizWiz_train_{number}",
            "image": f"vizwiz/train/VizWiz_train_{number}.jpg",
            "conversations": [
                {"from": "human", "value": f"<image>\nWhat is it?\n{PROMPT}"},
                {"from": "gpt", "value": answer},
            ],
        }
        for number, answer in enumerate(("Unanswerable", "basil"))
    ]


def test_an_answer_that_nobody_gave_is_named(write: Write) -> None:
    with pytest.raises(ValueError, match=r"train.json: answers about 1.jpg are none"):
        records(write, row("1.jpg", ["unsuitable", "unanswerable"], 1))
