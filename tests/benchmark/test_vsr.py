"""VSR: captions as yes-or-no questions, and how their answers are read."""

import json
from pathlib import Path

import pytest

from tests.benchmark.contract import check_contract, metrics_of
from tests.conftest import SHARED
from vlm.benchmark.question import Question
from vlm.benchmark.vsr import VSR


def write_vsr(folder: Path) -> Path:
    """Three captions about two photos; the second photo lies beside the file."""
    (folder / "images").mkdir(parents=True)
    (folder / "images/1.jpg").write_bytes(b"one")
    (folder / "2.jpg").write_bytes(b"two")
    lines = [
        {"image": "1.jpg", "caption": "The cat is under the car.", "label": 0, "relation": "under"},
        {"image": "1.jpg", "caption": "The cat is on the car.", "label": 1, "relation": "on"},
        {"image": "2.jpg", "caption": "The dog is on the bed.", "label": 1, "relation": "on"},
    ]
    (folder / "test.jsonl").write_text("\n".join(json.dumps(line | {"image_link": "http"}) for line in lines))
    return folder


def make(folder: Path) -> VSR:
    return VSR(str(folder), 1024, "test.jsonl", ["images"])


def test_it_keeps_the_contract(tmp_path: Path) -> None:
    check_contract(make, write_vsr(tmp_path), best=1.0)


def test_a_caption_is_asked_about(tmp_path: Path) -> None:
    question = make(write_vsr(tmp_path)).questions()[0]
    assert question.text == (
        "<image>\nIs the following statement about the image true? The cat is under the car.\n"
        "Answer the question using a single word or phrase."
    )
    assert (question.key, question.kind, question.answer, question.cluster) == ("0", "under", "no", "1.jpg")


def test_accuracy_is_of_all_and_of_each_relation(tmp_path: Path) -> None:
    found = metrics_of(make(write_vsr(tmp_path)), {"0": "yes", "1": "true", "2": "no"})
    assert found == pytest.approx({"accuracy": 1 / 3, "accuracy/on": 0.5, "accuracy/under": 0.0})


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("Yes", "yes"),
        ("TRUE.", "yes"),
        ("No, it is true that there is a cat, but not there", "no"),
        ("It is not true", "no"),
        ("It isn't true", "no"),
        ("It isn\u2019t", "no"),
        ("False", "no"),
        ("The statement is true, not false", "yes"),
        ("Noted", None),  # only whole words count
        ("untrue", None),
        ("", None),
    ],
)
def test_the_first_word_that_says_yes_or_no_counts(answer: str, said: str | None, tmp_path: Path) -> None:
    mark = make(tmp_path).mark(Question("0", "on", "", (), "yes"), answer)
    assert (mark.parsed, mark.score) == (said, float(said == "yes"))


def test_the_upload_is_a_number_a_line(tmp_path: Path) -> None:
    benchmark = make(write_vsr(tmp_path))
    path = benchmark.write_upload(benchmark.questions(), ["Yes", "no", "?"], tmp_path)
    assert path.read_text() == "1\n0\n-1\n"


def test_a_line_without_a_caption_is_named(tmp_path: Path) -> None:
    (tmp_path / "test.jsonl").write_text('{"image": "1.jpg", "label": 0, "relation": "on"}')
    with pytest.raises(ValueError, match=r"test\.jsonl: statement 0 has no caption; get it again"):
        make(tmp_path).questions()


@pytest.mark.skipif(not (SHARED / "coco128").is_dir(), reason="coco128 is not here")
def test_it_reads_the_statements_about_coco128() -> None:
    folders = ["train2017", "val2017"]
    benchmark = VSR(str(SHARED / "coco128"), 1024, "vsr_on_these_images.jsonl", folders)
    questions = benchmark.questions()
    assert (len(questions), sum(question.answer == "yes" for question in questions)) == (23, 7)
    assert all(question.pictures[0].read().startswith(b"\xff\xd8") for question in questions)
