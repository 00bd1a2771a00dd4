"""MathVista: its queries, and its scoring of what rules can extract."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.benchmark.contract import check_contract, metrics_of
from vlm.benchmark.mathvista import MathVista, edit_distance
from vlm.benchmark.question import Question


def record(key: str, answer: str, form: str, **values: Any) -> dict[str, Any]:
    return {
        "pid": key,
        "question": f"What is {key}?",
        "image": f"images/{key}.jpg",
        "choices": None,
        "unit": None,
        "precision": None,
        "answer": answer,
        "question_type": "multi_choice" if form == "text" else "free_form",
        "answer_type": form,
        "metadata": {"task": "figure question answering"},
    } | values


def write_mathvista(folder: Path) -> Path:
    """One question of each form."""
    records = {
        "1": record("1", "f(x)", "text", choices=["x", "f(x)", "none"]),
        "2": record("2", "1000", "integer", unit="g", metadata={"task": "math word problem"}),
        "3": record("3", "1.2", "float", precision=1.0),
        "4": record("4", "1.25", "float", precision=2.0, query="As published"),
        "5": record("5", "[1, 2]", "list"),
    }
    (folder / "images").mkdir()
    for key in records:
        (folder / f"images/{key}.jpg").write_bytes(key.encode())
    (folder / "testmini.json").write_text(json.dumps(records))
    return folder


def make(folder: Path, read_plain: bool = True, strict: bool = False) -> MathVista:
    return MathVista(str(folder), 1024, read_plain, strict)


def ask(answer: str, form: str, precision: int = 0, choices: tuple[str, ...] = ()) -> Question:
    return Question("1", "", "", (), {"text": answer, "type": form, "precision": precision}, choices)


@pytest.mark.parametrize("read_plain", [True, False])
def test_it_keeps_the_contract(read_plain: bool, tmp_path: Path) -> None:
    check_contract(lambda folder: make(folder, read_plain), write_mathvista(tmp_path), best=1.0)


def test_a_prompt_is_the_official_query(tmp_path: Path) -> None:
    texts = [question.text for question in make(write_mathvista(tmp_path)).questions()]
    assert texts[0] == (
        "<image>\nHint: Please answer the question and provide the correct option letter, e.g., A, B, C, D,"
        " at the end.\nQuestion: What is 1?\nChoices:\n(A) x\n(B) f(x)\n(C) none"
    )
    assert texts[1] == (
        "<image>\nHint: Please answer the question requiring an integer answer and provide the final value,"
        " e.g., 1, 2, 3, at the end.\nQuestion: What is 2? (Unit: g)"
    )
    assert (
        "with one decimal place and provide the final value, e.g., 1.2, 1.3, 1.4, at the end.\n" in texts[2]
    )
    assert texts[3] == "<image>\nAs published"
    assert (
        "a Python list as an answer and provide the final list, e.g., [1, 2, 3], [1.2, 1.3, 1.4]," in texts[4]
    )


@pytest.mark.parametrize(
    ("answer", "said", "without_plain"),
    [
        ("mouse", "mouse", "mouse"),
        ("B", "dog", None),
        ("(B) dog", "dog", None),
        ("b", None, None),
        ('The answer is "B".', "dog", "dog"),
        ('So. The answer is "(c) a cat".', "mouse", "mouse"),  # the letter, not the word
        ('The answer is "cats".', "cat", "cat"),  # the nearest
        ('The answer is "D".', "cat", "cat"),  # all letters are exchanged, and the first nearest is taken
        ('The answer is "cat"', None, None),  # without its period
        ("It is the cat", None, None),
        ("D", None, None),
        (" cat", None, None),
    ],
)
def test_options(answer: str, said: str | None, without_plain: str | None, tmp_path: Path) -> None:
    question = ask("dog", "text", choices=("cat", "dog", "mouse"))
    for read_plain, parsed in ((True, said), (False, without_plain)):
        mark = make(tmp_path, read_plain).mark(question, answer)
        assert (mark.parsed, mark.score) == (parsed, float(parsed == "dog"))


@pytest.mark.parametrize(
    ("answer", "form", "precision", "said"),
    [
        ("5", "integer", 0, "5"),
        (" 05 ", "integer", 0, "5"),
        ("5.0", "integer", 0, None),  # no integer at once, and no rule extracts it
        ('The answer is "5.9".', "integer", 0, "5"),  # cut, not rounded
        ('The answer is "inf".', "integer", 0, None),
        ("5 g", "integer", 0, None),
        ("1.26", "float", 1, "1.3"),
        ("1.2", "float", 2, "1.2"),  # so 1.20 would be another
        ("3", "float", 1, "3.0"),
        ('The answer is "about 3".', "float", 1, None),
        ("[1, 2]", "list", 0, "[1, 2]"),
        ('The answer is "[1,2]".', "list", 0, "[1,2]"),
        ("1, 2", "list", 0, None),
        ("9" * 5000, "integer", 0, None),
        ("", "integer", 0, None),
    ],
)
def test_free_forms(answer: str, form: str, precision: int, said: str | None, tmp_path: Path) -> None:
    mark = make(tmp_path).mark(ask(said or "7", form, precision), answer)
    assert (mark.parsed, mark.score) == (said, float(said is not None))


def test_a_plain_list_is_read_on_request_only(tmp_path: Path) -> None:
    assert make(tmp_path, read_plain=False).mark(ask("[1, 2]", "list"), "[1, 2]").parsed is None


def test_no_text_is_nearest_to_the_shortest_option(tmp_path: Path) -> None:
    question = ask("no", "text", choices=("yes", "no"))
    official, strict = make(tmp_path).mark(question, ""), make(tmp_path, strict=True).mark(question, "")
    assert (official.score, official.parsed) == (1.0, None)
    assert (strict.score, strict.parsed) == (0.0, None)


def test_tasks_are_told_apart(tmp_path: Path) -> None:
    found = metrics_of(make(write_mathvista(tmp_path)), {"2": "1000", "3": "1.2"})
    assert found["accuracy/math word problem"] == 1.0
    assert found["accuracy/figure question answering"] == 0.25
    assert found["accuracy"] == 0.4


def test_another_form_is_named(tmp_path: Path) -> None:
    path = write_mathvista(tmp_path) / "testmini.json"
    path.write_text(path.read_text().replace('"precision": 2.0', '"precision": 3'))
    with pytest.raises(ValueError, match="question 4 asks for 'float 3', not for text, integer"):
        make(tmp_path).questions()


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [
        ("", "", 0),
        ("", "abc", 3),
        ("kitten", "sitting", 3),
        ("flaw", "lawn", 2),
        ("ab", "ba", 2),
        ("a", "a", 0),
    ],
)
def test_edit_distance(one: str, other: str, distance: int) -> None:
    assert edit_distance(one, other) == edit_distance(other, one) == distance
