"""easy-VQA: questions by what they ask, and the real test split where it is."""

import json
import tarfile
from collections import Counter
from pathlib import Path

import pytest

from tests.benchmark.contract import check_contract, metrics_of
from tests.conftest import SHARED
from vlm.benchmark.easy_vqa import EasyVQA
from vlm.benchmark.question import Question

ARCHIVE = SHARED / "easy_vqa.tar.gz"


def write_easy_vqa(folder: Path) -> Path:
    """One question of each kind about one picture, and one about another."""
    (folder / "test/images").mkdir(parents=True)
    for number in range(2):
        (folder / f"test/images/{number}.png").write_bytes(b"picture")
    questions = [
        ["what is the red shape?", "triangle", 0],
        ["what is the color of the shape?", "red", 0],
        ["is no circle present?", "yes", 0],
        ["does the image contain a teal shape?", "no", 1],
    ]
    (folder / "test/questions.json").write_text(json.dumps(questions))
    (folder / "answers.txt").write_text("triangle\nred\nyes\nno")
    return folder


def make(folder: Path) -> EasyVQA:
    return EasyVQA(str(folder), 1024)


def test_it_keeps_the_contract(tmp_path: Path) -> None:
    check_contract(make, write_easy_vqa(tmp_path), best=1.0)


def test_questions_are_told_apart_by_what_they_ask(tmp_path: Path) -> None:
    questions = make(write_easy_vqa(tmp_path)).questions()
    assert [question.kind for question in questions] == ["shape", "color", "presence", "presence"]
    assert questions[3].key == "1/does the image contain a teal shape?"
    assert questions[3].text == (
        "<image>\ndoes the image contain a teal shape?\nAnswer the question using a single word or phrase."
    )
    found = metrics_of(make(tmp_path), {question.key: "No." for question in questions})
    expected = {"accuracy": 0.25, "accuracy/shape": 0, "accuracy/color": 0, "accuracy/presence": 0.5}
    assert found == expected


@pytest.mark.parametrize(
    ("said", "right"), [("Red.", True), (" red\n", True), ("a red one", False), ("green", False), ("", False)]
)
def test_an_answer_must_be_equal(said: str, right: bool, tmp_path: Path) -> None:
    assert make(tmp_path).mark(Question("0/", "color", "", (), "red"), said).score == float(right)


def test_an_answer_that_there_is_not_is_named(tmp_path: Path) -> None:
    (write_easy_vqa(tmp_path) / "answers.txt").write_text("red yes no")
    with pytest.raises(ValueError, match=r"'triangle' is not in .*answers\.txt"):
        make(tmp_path).questions()


@pytest.mark.skipif(not ARCHIVE.is_file(), reason="easy-VQA is not here")
def test_the_real_test_split_is_read(tmp_path: Path) -> None:
    wanted = ("answers.txt", "test/questions.json", "test/images/0.png")
    with tarfile.open(ARCHIVE) as archive:
        for name in wanted:
            archive.extract(f"easy_vqa/{name}", tmp_path, filter="data")
    benchmark = make(tmp_path / "easy_vqa")
    questions = benchmark.questions()
    kinds = Counter(question.kind for question in questions)
    assert len({question.key for question in questions}) == 9673
    assert kinds["presence"] == 7136
    assert {question.answer for question in questions if question.kind == "presence"} == {"yes", "no"}
    assert {question.answer for question in questions if question.kind == "shape"} == {
        "circle",
        "rectangle",
        "triangle",
    }
    assert len({question.answer for question in questions if question.kind == "color"}) == 8
    assert questions[0].pictures[0].read().startswith(b"\x89PNG")
    right = {question.key: benchmark.right_answer(question) for question in questions}
    assert metrics_of(benchmark, right)["accuracy"] == 1.0
