"""MMBench: LLaVA's prompts and upload; right if right in every order of the options."""

import base64
import csv
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.benchmark.contract import check_contract, metrics_of
from vlm.benchmark.mmbench import MMBench
from vlm.benchmark.picture_table import pictures_of, read_rows

COLUMNS = [
    "index",
    "question",
    "hint",
    "A",
    "B",
    "C",
    "D",
    "answer",
    "category",
    "image",
    "source",
    "l2-category",
    "comment",
    "split",
]
REQUEST = "Answer with the option's letter from the given choices directly."
PICTURE = base64.b64encode(b"one picture" * 10).decode()
OTHER = base64.b64encode(b"another picture" * 10).decode()
BASE = {"hint": "nan", "C": "", "D": "", "source": "s", "comment": "", "split": "dev"}
ROWS: list[dict[str, Any]] = [
    BASE
    | {"index": 7, "question": "Which\tis it?", "A": "Na", "B": "blue", "answer": "B", "image": PICTURE}
    | {"category": "color", "l2-category": "perception"},
    BASE
    | {"index": 9, "question": 'Say "it":\nnow', "hint": "Look.", "A": "x", "B": "y", "C": "z", "D": "None"}
    | {"answer": "A", "image": OTHER, "category": "speech", "l2-category": "reasoning"},
    BASE
    | {"index": 1_000_007, "question": "Which\tis it?", "A": "blue", "B": "Na", "answer": "A", "image": "7"}
    | {"category": "color", "l2-category": "perception"},
]


def write_mmbench(folder: Path, rows: list[dict[str, Any]] = ROWS, columns: list[str] = COLUMNS) -> Path:
    """A question in both its orders, the second with the first one's picture; another in one order."""
    with (folder / "dev.tsv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, columns, delimiter="\t", lineterminator="\n", extrasaction="ignore")
        table.writeheader()
        table.writerows(rows)
    return folder


def make(folder: Path, rounds: str = "circular", chinese: bool = False) -> MMBench:
    return MMBench(str(folder), 1024, "dev.tsv", chinese, rounds)


@pytest.mark.parametrize("rounds", ["circular", "single"])
def test_it_keeps_the_contract(rounds: str, tmp_path: Path) -> None:
    check_contract(lambda folder: make(folder, rounds), write_mmbench(tmp_path), best=1.0)


def test_a_prompt_is_llavas(tmp_path: Path) -> None:
    first, second = make(write_mmbench(tmp_path), "single").questions()
    assert first.text == f"<image>\nWhich\tis it?\nA. Na\nB. blue\n{REQUEST}"  # sodium is not pandas' NA
    assert (first.key, first.kind, first.answer, first.group) == ("7", "perception/color", "B", "7")
    assert second.text == f'<image>\nLook.\nSay "it":\nnow\nA. x\nB. y\nC. z\n{REQUEST}'
    chinese = make(tmp_path, "single", chinese=True).questions()[0]
    assert chinese.text == "<image>\nWhich\tis it?\nA. Na\nB. blue\n请直接回答选项字母。"


def test_options_end_at_the_first_that_is_none(tmp_path: Path) -> None:
    row = ROWS[0] | {"C": "N/A", "D": "four"}
    assert make(write_mmbench(tmp_path, [row]), "single").questions()[0].choices == ("Na", "blue")


def test_rotations_are_the_tables_or_made(tmp_path: Path) -> None:
    questions = make(write_mmbench(tmp_path)).questions()
    assert [(question.key, question.group, question.answer) for question in questions] == [
        ("7", "7", "B"),
        ("9", "9", "A"),
        ("9-1", "9", "C"),
        ("9-2", "9", "B"),
        ("1000007", "7", "A"),
    ]
    assert [question.choices for question in questions[2:4]] == [("y", "z", "x"), ("z", "x", "y")]


def test_pictures_are_read_where_they_are(tmp_path: Path) -> None:
    questions = make(write_mmbench(tmp_path)).questions()
    assert questions[0].pictures[0].read() == b"one picture" * 10
    assert questions[1].pictures[0].read() == b"another picture" * 10
    assert questions[4].pictures[0].read() == b"one picture" * 10
    assert questions[0].cluster == questions[4].cluster != questions[1].cluster


def test_a_question_is_right_if_all_its_rotations_are(tmp_path: Path) -> None:
    benchmark = make(write_mmbench(tmp_path))
    answers = {"7": "B", "1000007": "B", "9": "A", "9-1": "(C)", "9-2": "it is y, no, B"}
    assert metrics_of(benchmark, answers) == {
        "accuracy": 0.5,
        "accuracy/perception": 0.0,
        "accuracy/reasoning": 1.0,
        "accuracy/perception/color": 0.0,
        "accuracy/reasoning/speech": 1.0,
        "single_round": 1.0,
    }


def test_a_row_with_the_picture_of_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="row 1000007 has the picture of row 8, which has none"):
        make(write_mmbench(tmp_path, [*ROWS[:2], ROWS[2] | {"image": "8"}])).questions()


def test_withheld_answers_are_none(tmp_path: Path) -> None:
    columns = [column for column in COLUMNS if column != "answer"]
    assert {question.answer for question in make(write_mmbench(tmp_path, columns=columns)).questions()} == {
        None
    }


@pytest.mark.parametrize("change", [{"answer": "C"}, {"question": ""}, {"A": ""}])
def test_a_row_without_its_right_option_is_named(change: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="row 7 lacks its question or the option that is right"):
        make(write_mmbench(tmp_path, [ROWS[0] | change])).questions()


def test_an_index_is_a_number(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the index 'x' is no number"):
        make(write_mmbench(tmp_path, [ROWS[0] | {"index": "x"}])).questions()


def test_rounds_are_one_of_two() -> None:
    with pytest.raises(ValueError, match=r"benchmark\.rounds is 'all'; give single or circular"):
        make(Path(), "all")


@pytest.mark.parametrize("length", [0, 1])
def test_the_upload_has_llavas_columns(length: int, tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    benchmark = make(write_mmbench(tmp_path))
    asked = benchmark.questions()[: 4 if length else 5]
    path = benchmark.write_upload(asked, [f"\x07said {question.key}" for question in asked], tmp_path)
    assert path == tmp_path / "dev.xlsx"
    header, *rows = openpyxl.load_workbook(path).active.iter_rows(values_only=True)
    assert header == ("index", "question", "A", "B", "C", "D", "prediction", "answer", "split")
    assert rows[0] == (7, "Which\tis it?", "Na", "blue", None, None, "said 7", "B", "dev")
    assert [row[6] for row in rows] == ["said 7", "said 9", None if length else "said 1000007"]


def test_what_writes_sheets_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "openpyxl"] + ["openpyxl"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ValueError, match="pip install openpyxl"):
        make(write_mmbench(tmp_path)).write_upload([], [], tmp_path)


def test_a_table_is_parted_as_pandas_parts_it(tmp_path: Path) -> None:
    path = tmp_path / "table.tsv"
    path.write_bytes(
        b'\xef\xbb\xbfindex\ttext\timage\r\n1\t"a ""b""\r\nc" d\t"'
        + PICTURE.encode()
        + b'"\r\n\r\n2\te"f\t1\r\n'
    )
    first, second = read_rows(path)
    assert first.values == {"index": "1", "text": 'a "b"\r\nc d'}
    assert second.values["text"] == 'e"f'
    assert [picture.read() for picture in pictures_of(path, [first, second])] == [b"one picture" * 10] * 2


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("index\ttext\n", "has the columns index, text, not index and image"),
        ("index\timage\n1\n", "row 1 has 1 fields, not 2"),
        ('index\timage\n1\t"', "ends within quotation marks"),
        ("", "has the columns , not"),
    ],
)
def test_another_form_is_named(content: str, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "table.tsv"
    path.write_text(content)
    with pytest.raises(ValueError, match=complaint):
        read_rows(path)
