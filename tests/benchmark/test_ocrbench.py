"""OCRBench: its questions as its authors ask LLaVA, the rule of containment, and the score out of 1000."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.benchmark.contract import check_contract, metrics_of
from vlm.benchmark.ocrbench import OCRBench
from vlm.benchmark.question import Question

FORMULA = "Handwritten Mathematical Expression Recognition"


def record(dataset: str, number: int, path: str, answers: str | list[str], kind: str) -> dict[str, Any]:
    return {
        "dataset_name": dataset,
        "id": number,
        "image_path": path,
        "question": "what is written in the image?",
        "answers": answers,
        "type": kind,
    }


def write_ocrbench(folder: Path) -> Path:
    """Numbers and names of pictures repeat among data sets; some answers are lists."""
    records = [
        record("IIIT5K", 7, "IIIT5K/1.png", "CENTRE", "Regular Text Recognition"),
        record("ORAND", 7, "ORAND/1.png", "1234", "Digit String Recognition"),
        record("docVQA", 9, "docVQA/1.png", ["the fund", "fund\nraiser"], "Doc-oriented VQA"),
        record("HME100k", 9, "HME/2.png", ["y _ { 2 } = A\n", "y_2 = A\n"], FORMULA),
    ]
    for line in records:
        path = folder / "OCRBench_Images" / line["image_path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"picture")
    (folder / "OCRBench.json").write_text(json.dumps(records))
    return folder


def make(folder: Path) -> OCRBench:
    return OCRBench(str(folder), 128, short=True)


def test_it_keeps_the_contract(tmp_path: Path) -> None:
    check_contract(make, write_ocrbench(tmp_path), best=1000.0)


def test_a_prompt_is_as_its_authors_ask_llava(tmp_path: Path) -> None:
    question = make(write_ocrbench(tmp_path)).questions()[0]
    asked = "<image>\nwhat is written in the image?"
    assert question.text == f"{asked}\nAnswer the question using a single word or phrase."
    assert OCRBench(str(tmp_path), 128, short=False).questions()[0].text == asked


def test_pictures_of_one_name_are_not_one(tmp_path: Path) -> None:
    questions = make(write_ocrbench(tmp_path)).questions()
    assert [question.key for question in questions] == ["IIIT5K/7", "ORAND/7", "docVQA/9", "HME100k/9"]
    assert len({question.cluster for question in questions}) == 4


@pytest.mark.parametrize(
    ("right", "said", "worth"),
    [
        ("CENTRE", "It says: centre.", 1.0),
        ("CENTRE", "epicentres", 1.0),  # anywhere, within words, too
        ("CENTRE", "center", 0.0),
        (" Night\nBus ", "the night bus", 1.0),
        ("night bus", "night\nbus", 1.0),
        ("night bus", "nightbus", 0.0),
        ("night bus", "night  bus", 0.0),
        ("1,000", "1000", 0.0),
        ("CENTRE", "", 0.0),
    ],
)
def test_a_right_answer_stands_anywhere(right: str, said: str, worth: float, tmp_path: Path) -> None:
    question = Question("IIIT5K/7", "Regular Text Recognition", "", (), [right])
    assert make(tmp_path).mark(question, said).score == worth


@pytest.mark.parametrize(
    ("said", "worth"),
    [
        ("y_2=A", 1.0),
        ("$y _ {2}\n= A$", 1.0),  # neither spaces nor line breaks count
        ("y_2=a", 0.0),  # case does
        ("y_2", 0.0),
        ("", 0.0),
    ],
)
def test_formulas_are_read_without_spaces(said: str, worth: float, tmp_path: Path) -> None:
    question = make(write_ocrbench(tmp_path)).questions()[3]
    assert make(tmp_path).mark(question, said).score == worth


def test_the_score_is_out_of_1000(tmp_path: Path) -> None:
    answers = {"IIIT5K/7": "centre", "docVQA/9": "A fund raiser", "HME100k/9": "y_2 = a"}
    assert metrics_of(make(write_ocrbench(tmp_path)), answers) == {
        "score": 500.0,
        "accuracy": 0.5,
        "accuracy/Regular Text Recognition": 1.0,
        "accuracy/Digit String Recognition": 0.0,
        "accuracy/Doc-oriented VQA": 1.0,
        f"accuracy/{FORMULA}": 0.0,
        "accuracy/Text Recognition": 0.5,
    }
