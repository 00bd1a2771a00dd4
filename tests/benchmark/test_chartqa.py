"""ChartQA: both kinds of questions, and relaxed accuracy with its oddities."""

import json
from pathlib import Path

import pytest

from tests.benchmark.contract import check_contract, metrics_of
from vlm.benchmark.chartqa import ChartQA
from vlm.benchmark.question import Question


def write_chartqa(folder: Path) -> Path:
    """Two questions of people and one of a model, about two charts."""
    (folder / "test/png").mkdir(parents=True)
    for name in ("1.png", "2.png"):
        (folder / "test/png" / name).write_bytes(b"picture")
    human = [
        {"imgname": "1.png", "query": "How many bars?", "label": "14"},
        {"imgname": "1.png", "query": "Which is the lowest?", "label": "Fiji"},
    ]
    augmented = [{"imgname": "2.png", "query": "What share?", "label": "0"}]
    (folder / "test/test_human.json").write_text(json.dumps(human))
    (folder / "test/test_augmented.json").write_text(json.dumps(augmented))
    return folder


def make(folder: Path) -> ChartQA:
    return ChartQA(str(folder), 1024, tolerance=0.05)


def test_it_keeps_the_contract(tmp_path: Path) -> None:
    check_contract(make, write_chartqa(tmp_path), best=1.0)


def test_questions_are_kept_apart_by_who_wrote_them(tmp_path: Path) -> None:
    questions = make(write_chartqa(tmp_path)).questions()
    assert [question.key for question in questions] == ["human/0", "human/1", "augmented/0"]
    assert questions[2].text == ("<image>\nWhat share?\nAnswer the question using a single word or phrase.")


def test_the_layout_of_the_repository_is_found(tmp_path: Path) -> None:
    questions = make(write_chartqa(tmp_path / "ChartQA Dataset").parent).questions()
    assert questions[0].pictures[0].read() == b"picture"


@pytest.mark.parametrize(
    ("label", "said", "right"),
    [
        ("100", "105", True),
        ("100", "95", True),
        ("100", "105.1", False),
        ("100", "94.9", False),
        ("-100", "-104", True),
        ("-100", "100", False),
        ("2014", "2010", True),  # years are numbers
        ("62", "62%", False),  # a per cent sign divides by a hundred
        ("62%", "0.63", True),
        ("5%%", "0.05", True),
        ("62", " 62.\n", True),
        ("62", "62 percent", False),
        ("1000", "1,000", False),
        ("1000", "1_000", True),  # as Python reads numbers
        ("0", "0", True),
        ("0", "0.0", False),  # 0 is compared as a word
        ("0", "0%", False),
        ("Yes", "yes", True),
        ("Yes", "Yes.", False),
        ("Fiji", "Fiji Islands", False),
        ("Fiji", "3", False),
        ("3", "three", False),
        ("3", "nan", False),
        ("3", "inf", False),
        ("3", "%", False),
        ("3", "", False),
    ],
)
def test_answers_are_relaxed_by_the_published_rule(
    label: str, said: str, right: bool, tmp_path: Path
) -> None:
    assert make(tmp_path).mark(Question("human/0", "human", "", (), label), said).score == float(right)


def test_the_tolerance_is_a_share(tmp_path: Path) -> None:
    strict = ChartQA(str(tmp_path), 1024, tolerance=0)
    question = Question("human/0", "human", "", (), "100")
    assert strict.mark(question, "100.0").score == 1.0
    assert strict.mark(question, "100.1").score == 0.0


def test_accuracy_is_also_of_each_split(tmp_path: Path) -> None:
    found = metrics_of(make(write_chartqa(tmp_path)), {"human/0": "14.5", "augmented/0": "0"})
    expected = {"accuracy": 2 / 3, "accuracy/human": 0.5, "accuracy/augmented": 1.0}
    assert found == pytest.approx(expected)
