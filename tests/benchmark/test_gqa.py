"""GQA: LLaVA's questions, GQA's answers, groups and file of predictions."""

import json
from pathlib import Path

import pytest

from tests.benchmark.contract import check_contract, metrics_of
from vlm.benchmark.gqa import GQA
from vlm.benchmark.question import Question

SHORT = "Answer the question using a single word or phrase."
RECORDS = (
    ("11", "Is it red?", "yes", "verify", "attr"),
    ("12", "What is left of it?", "dining table", "query", "rel"),
    ("13", "What color is it?", "red", "query", "attr"),
    ("14", "Red or blue?", "blue", "choose", "attr"),
)


def write_gqa(folder: Path) -> Path:
    """Four questions; LLaVA's file is in another order than GQA's."""
    (folder / "data/images").mkdir(parents=True)
    (folder / "data/images/n1.jpg").write_bytes(b"picture")
    records, lines = {}, []
    for key, text, answer, structural, semantic in RECORDS:
        records[key] = {
            "imageId": "n1",
            "question": text,
            "answer": answer,
            "isBalanced": True,
            "types": {"detailed": "x", "structural": structural, "semantic": semantic},
        }
        lines.append({"question_id": key, "image": "n1.jpg", "text": f"{text}\n{SHORT}"})
    (folder / "data/testdev_balanced_questions.json").write_text(json.dumps(records))
    (folder / "llava_gqa_testdev_balanced.jsonl").write_text("\n".join(map(json.dumps, lines[::-1])))
    return folder


def make(folder: Path) -> GQA:
    return GQA(str(folder), 128)


def test_it_keeps_the_contract(tmp_path: Path) -> None:
    check_contract(make, write_gqa(tmp_path), best=1.0)


def test_a_prompt_is_llavas(tmp_path: Path) -> None:
    question = make(write_gqa(tmp_path)).questions()[0]
    assert (question.key, question.kind, question.answer) == ("14", "choose/attr", "blue")
    assert question.text == f"<image>\nRed or blue?\n{SHORT}"


@pytest.mark.parametrize(
    ("said", "right"),
    [
        ("Dining Table..", True),
        (" dining table\n", True),
        ("dining table. ", True),
        ("the dining table", False),  # nothing is normalised but case and the last periods
        ("dining tables", False),
        ("table", False),
        ("", False),
    ],
)
def test_an_answer_must_be_equal(said: str, right: bool, tmp_path: Path) -> None:
    question = Question("1", "query/obj", "", (), "dining table")
    assert make(tmp_path).mark(question, said).score == float(right)


def test_accuracy_is_by_the_official_groups(tmp_path: Path) -> None:
    found = metrics_of(make(write_gqa(tmp_path)), {"11": "Yes", "12": "chair", "13": "red", "14": "red"})
    assert found == {
        "accuracy": 0.5,
        "accuracy/verify": 1.0,
        "accuracy/query": 0.5,
        "accuracy/choose": 0.0,
        "accuracy/attr": pytest.approx(2 / 3),
        "accuracy/rel": 0.0,
        "accuracy/open": 0.5,
        "accuracy/binary": 0.5,
    }


def test_predictions_are_written_for_the_official_tool(tmp_path: Path) -> None:
    benchmark = make(write_gqa(tmp_path))
    path = benchmark.write_upload(benchmark.questions()[:2], ["Blue.", "Red"], tmp_path / "upload")
    assert path.name == "testdev_balanced_predictions.json"
    assert json.loads(path.read_text()) == [
        {"questionId": "14", "prediction": "blue"},
        {"questionId": "13", "prediction": "red"},
    ]


def test_a_question_that_gqa_lacks_is_named(tmp_path: Path) -> None:
    path = write_gqa(tmp_path) / "data/testdev_balanced_questions.json"
    path.write_text(path.read_text().replace('"13"', '"31"'))
    with pytest.raises(ValueError, match="no question 13; get it and"):
        make(tmp_path).questions()
