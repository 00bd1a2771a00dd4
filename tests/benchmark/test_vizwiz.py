"""VizWiz: questions of both splits, the upload, and the server's rules for the public split."""

import json
from pathlib import Path

import pytest

from tests.benchmark.contract import check_contract, metrics_of
from vlm.benchmark.vizwiz import VizWizTest, VizWizVal

UNSURE = "When the provided information is insufficient, respond with 'Unanswerable'."
SHORT = "Answer the question using a single word or phrase."
FIRST, SECOND, THIRD = (f"VizWiz_val_0000000{number}.jpg" for number in range(3))


def write_val(folder: Path) -> Path:
    """A can, and two that cannot be answered, of which people say so of the second only."""
    (folder / "val").mkdir(parents=True)
    records = []
    for image, people, kind, answerable in (
        (FIRST, ["diet coke"] * 6 + ["coke"] * 2 + ["Coke", "can't tell"], "other", 1),
        (SECOND, ["unanswerable"] * 10, "unanswerable", 0),
        (THIRD, ["unsuitable"] * 10, "other", 0),
    ):
        (folder / "val" / image).write_bytes(b"picture")
        answers = [{"answer": said, "answer_confidence": "yes"} for said in people]
        records.append(
            {"image": image, "question": "What is it?", "answers": answers, "answer_type": kind}
            | {"answerable": answerable}
        )
    (folder / "val.json").write_text(json.dumps(records))
    return folder


def make(folder: Path) -> VizWizVal:
    return VizWizVal(str(folder), 128)


def test_it_keeps_the_contract(tmp_path: Path) -> None:
    check_contract(make, write_val(tmp_path), best=1.0)


def test_the_public_split_is_asked_as_llava_asks(tmp_path: Path) -> None:
    question = make(write_val(tmp_path)).questions()[0]
    assert question.text == f"<image>\nWhat is it?\n{UNSURE}\n{SHORT}"
    assert (question.key, question.kind) == (FIRST, "other")


@pytest.mark.parametrize(
    ("said", "worth"),
    [
        ("Diet Coke.", 1.0),
        ("the coke", 0.6),  # whoever wrote Coke is not met: people's answers stay as they are
        ("cant tell", 0.3),
        ("a", 0.0),
        ("", 0.0),
    ],
)
def test_answers_are_changed_and_peoples_are_not(said: str, worth: float, tmp_path: Path) -> None:
    benchmark = make(write_val(tmp_path))
    assert benchmark.mark(benchmark.questions()[0], said).score == pytest.approx(worth)


def test_knowing_what_cannot_be_answered_is_scored(tmp_path: Path) -> None:
    found = metrics_of(
        make(write_val(tmp_path)), {FIRST: "Unanswerable.", SECOND: "Unanswerable", THIRD: "dog"}
    )
    assert found["accuracy/unanswerable"] == 1.0
    assert found["accuracy/other"] == 0.0
    assert found["unanswerable_f1"] == pytest.approx(0.5)  # one of two found, one of two said rightly
    assert metrics_of(make(tmp_path), {})["unanswerable_f1"] == 0.0


def test_the_test_withholds_answers_and_uploads_pictures_names(tmp_path: Path) -> None:
    image = "VizWiz_test_00000000.jpg"
    line = {"question_id": image, "image": image, "text": f"What?\n{UNSURE}\n{SHORT}", "category": "default"}
    (tmp_path / "llava_test.jsonl").write_text(json.dumps(line) + "\n")
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / image).write_bytes(b"picture")
    benchmark = VizWizTest(str(tmp_path), 128)
    (question,) = benchmark.questions()
    assert (question.key, question.answer) == (image, None)
    assert question.text == f"<image>\nWhat?\n{UNSURE}\n{SHORT}"
    assert question.pictures[0].read() == b"picture"
    path = benchmark.write_upload([question], ["The Two, dogs."], tmp_path / "upload")
    assert json.loads(path.read_text()) == [{"image": image, "answer": "2 dogs"}]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"llava_test\.jsonl; get it from"):
        VizWizTest(str(tmp_path), 128).questions()
