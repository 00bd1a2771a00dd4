"""OCR-VQA: train covers, drawn by the seed."""

from collections.abc import Callable
from typing import Any

import pytest

from vlm.corpus.formats.ocrvqa import Options, convert

Write = Callable[[str, Any], str]


def cover(split: int, *questions: str) -> dict[str, Any]:
    answers = [question.upper() for question in questions]
    url = "http://ecx.images-amazon.com/images/I/51.gif"
    return {"imageURL": url, "questions": list(questions), "answers": answers, "split": split}


def test_a_record_to_the_letter_and_the_train_split_only(write: Write) -> None:
    table = {
        "140031996X": cover(1, "who", "what"),
        "1": cover(2, "a"),
        "2": cover(3, "b"),
        "3": cover(1, "c"),
    }
    assert list(convert(Options(write("dataset.json", table)))) == [
        {
            "id": "140031996X",
            "image": "ocr_vqa/images/140031996X.jpg",
            "conversations": [
                {
                    "from": "human",
                    "value": "<image>\nwho\nAnswer the question using a single word or phrase.",
                },
                {"from": "gpt", "value": "WHO"},
                {"from": "human", "value": "what"},
                {"from": "gpt", "value": "WHAT"},
            ],
        },
        {
            "id": "3",
            "image": "ocr_vqa/images/3.jpg",
            "conversations": [
                {"from": "human", "value": "<image>\nc\nAnswer the question using a single word or phrase."},
                {"from": "gpt", "value": "C"},
            ],
        },
    ]


def test_which_are_drawn_depends_on_the_seed_and_not_on_the_order(write: Write) -> None:
    table = {str(number): cover(1, "q") for number in range(50)}
    turned = dict(reversed(table.items()))

    def drawn(rows: dict[str, Any], seed: int) -> list[str]:
        path = write("dataset.json", rows)
        return [record["id"] for record in convert(Options(path, samples=10, seed=seed))]

    first = drawn(table, seed=1)
    assert len(set(first)) == 10
    assert first == sorted(first, key=int)
    assert drawn(turned, seed=1) == first[::-1]
    assert set(drawn(table, seed=2)) != set(first)


def test_what_is_wrong_is_named(write: Write) -> None:
    uneven = cover(1, "a", "b") | {"answers": ["A"]}
    with pytest.raises(
        ValueError, match=r"^annotations=.*dataset.json: row 7 has 2 questions and 1 answers;"
    ):
        list(convert(Options(write("dataset.json", {"7": uneven}))))
    with pytest.raises(ValueError, match=r"dataset.json: row 7 has 0 questions and 0 answers"):
        list(convert(Options(write("dataset.json", {"7": cover(1)}))))
    with pytest.raises(ValueError, match=r"^samples must be at least 1, got 0$"):
        list(convert(Options(write("dataset.json", {"7": cover(1, "a")}), samples=0)))
