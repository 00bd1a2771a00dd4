"""ScienceQA: LLaVA's questions and rule; its published scores from its published answers."""

import json
from pathlib import Path

import pytest

from tests.benchmark.contract import check_contract, metrics_of
from tests.conftest import SHARED
from vlm.benchmark.question import Question
from vlm.benchmark.scienceqa import ScienceQA, read_choices

REQUEST = "Answer with the option's letter from the given choices directly."
PUBLISHED = SHARED / "scoring/scienceqa"


def write_scienceqa(folder: Path) -> Path:
    """Two questions with pictures, one without."""
    records = []
    for key, image, text, letter in (
        ("4", False, "Which?\nA. this\nB. that", "B"),
        ("5", True, "<image>\nContext: A. B.\nWhat?\nA. one\nB. two\nC. three", "C"),
        ("7", True, "What?\n<image>\nA. one\nB. two", "A"),
    ):
        record = {"id": key} | ({"image": f"{key}/image.png"} if image else {})
        turns = [{"from": "human", "value": text}, {"from": "gpt", "value": letter}]
        records.append(record | {"conversations": turns})
        if image:
            (folder / f"images/test/{key}").mkdir(parents=True)
            (folder / f"images/test/{key}/image.png").write_bytes(key.encode())
    (folder / "llava_test_CQM-A.json").write_text(json.dumps(records))
    (folder / "pid_splits.json").write_text(json.dumps({"train": ["1"], "test": ["4", "5", "7"]}))
    return folder


def make(folder: Path) -> ScienceQA:
    return ScienceQA(str(folder), 1024)


def test_it_keeps_the_contract(tmp_path: Path) -> None:
    check_contract(make, write_scienceqa(tmp_path), best=1.0)


def test_a_prompt_is_llavas(tmp_path: Path) -> None:
    text, first, second = make(write_scienceqa(tmp_path)).questions()
    assert (text.key, text.kind, text.answer, text.pictures) == ("4", "text", "B", ())
    assert text.text == f"Which?\nA. this\nB. that\n{REQUEST}"
    assert first.text == f"<image>\nContext: A. B.\nWhat?\nA. one\nB. two\nC. three\n{REQUEST}"
    assert (
        second.text == f"<image>\nWhat?\n\nA. one\nB. two\n{REQUEST}"
    )  # a picture goes first, its line stays
    assert first.choices == ("one", "two", "three")
    assert [first.pictures[0].read(), second.pictures[0].read()] == [b"5", b"7"]
    assert first.cluster != second.cluster


def test_the_headline_is_of_questions_with_a_picture(tmp_path: Path) -> None:
    found = metrics_of(make(write_scienceqa(tmp_path)), {"4": "A", "5": "C. three", "7": "The answer is A."})
    assert found["accuracy/image"] == 1.0
    assert found["accuracy/text"] == 0.0
    assert found["accuracy"] == pytest.approx(2 / 3)


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    benchmark, question = make(tmp_path), Question("1", "image", "", (), "B", ("one", "two"))
    assert benchmark.mark(question, "two").parsed is None
    wrong = benchmark.mark(question, "E")  # a letter that the question lacks is read, and wrong
    assert (wrong.parsed, wrong.score) == ("E", 0.0)


def test_an_option_may_have_lines() -> None:
    assert read_choices("A. no\nWhich?\nA. one\nand\nB. two") == ("one\nand", "two")
    assert read_choices("A. one\nB. two") == ("one", "two")
    assert read_choices("Which?") == ()


def test_another_split_is_named(tmp_path: Path) -> None:
    (write_scienceqa(tmp_path) / "pid_splits.json").write_text(json.dumps({"test": ["4", "5", "7", "9"]}))
    with pytest.raises(ValueError, match="differ in 1 questions, the first being 9"):
        make(tmp_path).questions()


def test_a_letter_without_an_option_is_named(tmp_path: Path) -> None:
    path = write_scienceqa(tmp_path) / "llava_test_CQM-A.json"
    path.write_text(path.read_text().replace('"value": "B"', '"value": "C"'))
    with pytest.raises(ValueError, match="question 4 has no option 'C'"):
        make(tmp_path).questions()


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="published answers are not here")
def test_published_answers_get_their_published_scores() -> None:
    benchmark = make(PUBLISHED)
    lines = [json.loads(line) for line in (PUBLISHED / "llava-v1.5-13b.jsonl").read_text().splitlines()]
    found = metrics_of(benchmark, {line["question_id"]: line["text"] for line in lines})
    assert found["accuracy/image"] == pytest.approx(0.71641, abs=5e-6)
    assert found["accuracy"] == pytest.approx(0.74393, abs=5e-6)


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="published answers are not here")
def test_prompts_are_the_published_ones() -> None:
    lines = [json.loads(line) for line in (PUBLISHED / "llava-v1.5-13b.jsonl").read_text().splitlines()]
    prompts = {question.key: question.text for question in make(PUBLISHED).questions()}
    assert prompts == {line["question_id"]: line["prompt"] for line in lines}
