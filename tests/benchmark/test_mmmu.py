"""MMMU: its dataset's files, its prompts for LLaVA, its reading of letters and of open answers."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.benchmark.contract import check_contract, metrics_of
from vlm.benchmark.mmmu import DISCIPLINES, MMMU, all_answers, interleave
from vlm.benchmark.mmmu_open import is_among, normalised, read_open
from vlm.benchmark.question import Question

SUBJECTS = [subject for subjects in DISCIPLINES.values() for subject in subjects.split()]
REQUEST = "Answer with the option's letter from the given choices directly."
PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def row(key: str, **values: Any) -> dict[str, Any]:
    found = {"id": key, "question": f"What is <image 1> of {key}?", "options": "['red', '<image 2>']"}
    found |= {"answer": "B", "question_type": "multiple-choice"}
    found |= {f"image_{number}": None for number in range(1, 8)} | values
    for number in range(1, 8):
        if number == 1 or f"<image {number}>" in found["question"] + found["options"]:
            # paths are there or not; pictures are
            path = f"{key}_{number}.png" if number == 1 else None
            found[f"image_{number}"] = {"bytes": f"{key} {number}".encode(), "path": path}
    return found


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    pictures = [(f"image_{number}", PICTURE) for number in range(1, 8)]
    texts = [(name, pa.string()) for name in ("id", "question", "options", "answer", "question_type")]
    pq.write_table(pa.Table.from_pylist(rows, pa.schema(texts + pictures)), path, row_group_size=2)


def write_mmmu(folder: Path, split: str = "validation", **values: Any) -> Path:
    """One question in each subject, three in Art; two rows to a group."""
    for subject in SUBJECTS:
        rows = [row(f"{split}_{subject}_1", **values)]
        if subject == "Art":
            rows.append(
                row(f"{split}_Art_2", question="How <image 1>?", options="['no', 'yes', 'so']", **values)
            )
            rows.append(
                row(f"{split}_Art_3", question="How many?", options="[]", question_type="open")
                | {"answer": "['6', 'six']"}
                | values
            )
        (folder / subject).mkdir()
        write_rows(folder / subject / f"{split}-00000-of-00001.parquet", rows)
    return folder


def make(folder: Path, **values: Any) -> MMMU:
    return MMMU(
        str(folder), 1024, **({"split": "validation", "interleaved": False, "guess_seed": None} | values)
    )


def test_it_keeps_the_contract(tmp_path: Path) -> None:
    check_contract(make, write_mmmu(tmp_path), best=1.0)


def test_a_prompt_is_the_official_one_for_llava(tmp_path: Path) -> None:
    first, second, third = make(write_mmmu(tmp_path)).questions()[:3]
    assert first.text == (
        f"<image>\n<image>\nWhat is <image 1> of validation_Art_1?\n(A) red\n(B) <image 2>\n\n{REQUEST}"
    )
    assert (first.kind, first.answer, first.choices) == ("Art and Design/Art", "B", ("red", "<image 2>"))
    assert second.text.endswith(f"\n(C) so\n\n{REQUEST}")
    assert third.text == "<image>\nHow many?\nAnswer the question using a single word or phrase."
    assert (third.answer, third.choices) == (("6", "six"), ())


def test_pictures_are_read_by_row(tmp_path: Path) -> None:
    first, second, third = make(write_mmmu(tmp_path)).questions()[:3]
    assert [picture.read() for picture in first.pictures] == [b"validation_Art_1 1", b"validation_Art_1 2"]
    assert second.pictures[0].read() == b"validation_Art_2 1"
    assert third.pictures[0].read() == b"validation_Art_3 1"  # of the second group
    assert len({picture.name for question in (first, second, third) for picture in question.pictures}) == 4


def test_pictures_may_stand_in_the_text(tmp_path: Path) -> None:
    first, _, third = make(write_mmmu(tmp_path), interleaved=True).questions()[:3]
    assert first.text == f"What is <image> of validation_Art_1?\n(A) red\n(B) <image>\n\n{REQUEST}"
    assert third.text.startswith("<image>\nHow many?")  # one that is not named comes first
    assert interleave("b <image 2>, a <image 1>, b <image 2>", [1, 2, 3]) == (
        "<image>\nb <image>, a <image>, b <image 2>",
        [3, 2, 1],
    )


def test_each_subject_each_discipline_and_all(tmp_path: Path) -> None:
    benchmark = make(write_mmmu(tmp_path))
    found = metrics_of(
        benchmark, {f"validation_{subject}_1": "B" for subject in SUBJECTS if subject != "Music"}
    )
    assert found["accuracy"] == pytest.approx(29 / 32)
    assert found["accuracy/Art and Design"] == pytest.approx(3 / 6)
    assert found["accuracy/Art and Design/Art"] == pytest.approx(1 / 3)
    assert found["accuracy/Business/Finance"] == 1.0
    assert len(found) == 1 + 6 + 30


def test_a_guess_is_made_on_request_only(tmp_path: Path) -> None:
    questions = [Question(str(number), "", "", (), "A", ("p", "q")) for number in range(200)]
    assert make(tmp_path).mark_all(questions, ["?"] * 200) == [make(tmp_path).mark(questions[0], "")] * 200
    marks = make(tmp_path, guess_seed=42).mark_all(questions, ["?"] * 200)
    assert marks == make(tmp_path, guess_seed=42).mark_all(questions, ["?"] * 200)
    assert marks != make(tmp_path, guess_seed=43).mark_all(questions, ["?"] * 200)
    assert 70 < sum(mark.score for mark in marks) < 130
    assert {mark.parsed for mark in marks} == {None}


@pytest.mark.parametrize(
    ("answer", "right", "score"),
    [
        ("6", ("6", "six"), 1.0),
        ("Six.", ("6", "six"), 1.0),
        ("The answer is 6.004 apples", ("6",), 1.0),  # two decimals count
        ("So it is 5, or 6", ("6",), 1.0),  # all numbers after a key word do
        ("it may be 6\nor it is 7", ("6",), 0.0),  # a line with a key word hides one without
        ("it may be 6\nor perhaps 7", ("6",), 1.0),
        ("x = 12\ny = 3", ("12",), 0.0),  # `=` is a key in the last line only
        ("x is 12\ny = 3", ("12",), 1.0),
        ("1,200", ("1200",), 1.0),
        ("-3", ("3",), 0.0),
        ("the population is 2.5e3", ("2500",), 1.0),
        ("a sixth", ("six",), 1.0),  # a text is right if the right one is part of it
        ("no idea", ("six",), 0.0),
        ("a b", ("b",), 1.0),  # a single letter must stand at a space
        ("abc", ("b",), 0.0),
        ("b", ("b",), 1.0),
        ("nan", ("six",), 0.0),
        ("", ("six",), 0.0),
    ],
)
def test_open_answers(answer: str, right: tuple[str, ...], score: float, tmp_path: Path) -> None:
    mark = make(tmp_path).mark(Question("1", "", "", (), right), answer)
    assert (mark.score, mark.parsed is None) == (score, answer == "")


def test_what_an_open_answer_says() -> None:
    assert read_open("Thus, the answer is 1,234.567.") == [1234.57, 1234.0, 234.57]
    assert set(map(str, read_open("The final answer is 12 cm."))) == {"12 cm", "12.0"}
    assert normalised(" 1,000.126 ") == [1000.13]
    assert normalised("B") == [" b", "b "]
    assert is_among(["12"], [12.0])
    assert not is_among(["12"], ["12 cm"])


def test_several_right_answers_are_a_list() -> None:
    assert all_answers("['$6', 6]") == ("$6", "6")
    assert all_answers("6") == ("6",)
    assert all_answers("(a, b") == ("(a, b",)
    assert all_answers("[]") == ("[]",)


def test_withheld_answers_are_none_and_are_uploaded(tmp_path: Path) -> None:
    benchmark = make(write_mmmu(tmp_path, "test", answer="?"), split="test")
    questions = benchmark.questions()
    assert {question.answer for question in questions} == {None}
    path = benchmark.write_upload(questions[:3], ["(B) it is", "who knows", "six"], tmp_path)
    assert json.loads(path.read_text()) == {"test_Art_1": "B", "test_Art_2": "who knows", "test_Art_3": "six"}
    guessing = make(tmp_path, split="test", guess_seed=1)
    guessed = json.loads(guessing.write_upload(questions[1:2], ["who knows"], tmp_path).read_text())
    assert guessed["test_Art_2"] in {"A", "B", "C"}


@pytest.mark.parametrize(
    ("options", "complaint"),
    [("red, blue", "options of .*Art_1 are no list"), ("[]", "Art_1 has no options")],
)
def test_options_that_are_none_are_named(options: str, complaint: str, tmp_path: Path) -> None:
    folder = write_mmmu(tmp_path)
    path = folder / "Art/validation-00000-of-00001.parquet"
    write_rows(path, [row("validation_Art_1", options=options)])
    with pytest.raises(ValueError, match=complaint):
        make(folder).questions()


def test_a_file_of_another_form_is_named(tmp_path: Path) -> None:
    path = write_mmmu(tmp_path) / "Art/validation-00000-of-00001.parquet"
    pq.write_table(pa.table({"id": ["1"]}), path)
    with pytest.raises(ValueError, match="is no file of MMMU"):
        make(tmp_path).questions()
    path.write_bytes(b"no")
    with pytest.raises(ValueError, match="is no file of MMMU"):
        make(tmp_path).questions()
