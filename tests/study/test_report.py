"""The report tells cells apart and shows what came out."""

import json
from pathlib import Path

import pytest
from PIL import Image

from vlm.cli import main
from vlm.study.outcome import Outcome
from vlm.study.report import labels, write_report


def cell(projector: str, accuracy: float, **changes: object) -> Outcome:
    metrics = {
        "benchmark/shapes/accuracy": accuracy,
        "benchmark/shapes/blind": 0.25,
        "benchmark/shapes/accuracy/count": accuracy + 0.05,
        "benchmark/shapes/accuracy/exist": accuracy - 0.05,
    }
    words = ["experiment=demo", f"projector={projector}"]
    outcome = Outcome(words, ["runs/x"], metrics, {"shapes": "accuracy"}, 12.3)
    return Outcome(**(vars(outcome) | changes))


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    folder = tmp_path / "sweeps/demo"
    cell("linear", 0.5).write(folder / "0")
    cell("mlp2", 0.75).write(folder / "1")
    return folder


def test_the_table_shows_what_differs_and_the_scores(sweep: Path, tmp_path: Path) -> None:
    header, _, linear, mlp = write_report(sweep, tmp_path / "report").splitlines()
    assert [column.strip() for column in header.strip("|").split("|")] == [
        "cell", "shapes", "blind", "count", "exist", "seconds",
    ]  # fmt: skip
    assert [column.strip() for column in linear.strip("|").split("|")] == [
        "projector=linear", "50.0", "25.0", "55.0", "45.0", "12",
    ]  # fmt: skip
    assert "75.0" in mlp


def test_the_files_are_written(sweep: Path, tmp_path: Path) -> None:
    write_report(sweep, tmp_path / "report")
    report = json.loads((tmp_path / "report/report.json").read_text())
    assert [set(entry) for entry in report["cells"]] == [
        {"overrides", "run_folders", "metrics", "seconds", "error"}
    ] * 2
    assert report["cells"][1]["metrics"]["benchmark/shapes/accuracy"] == 0.75
    assert "![" in (tmp_path / "report/report.md").read_text()
    assert Image.open(tmp_path / "report/report.png").size[0] > 500


@pytest.mark.filterwarnings("error:constrained_layout")
def test_cells_are_in_the_sweeps_order(tmp_path: Path) -> None:
    for number in range(12):
        cell(f"a_projector_of_a_long_name_{number}", number / 12).write(tmp_path / f"sweep/{number}")
    rows = write_report(tmp_path / "sweep", tmp_path / "report").splitlines()[2:]
    assert [row.split()[1] for row in rows] == [
        f"projector=a_projector_of_a_long_name_{number}" for number in range(12)
    ]


def test_a_failed_cell_is_said_to_have_failed(sweep: Path, tmp_path: Path) -> None:
    cell("broken", 0.0, metrics={}, error="vlm: error: no").write(sweep / "2")
    table = write_report(sweep, tmp_path / "report")
    assert "projector=broken failed: vlm: error: no" in table
    assert "| -" in table


def test_forget_deletes_the_sweep_and_its_runs_only(tmp_path: Path) -> None:
    trained, other = tmp_path / "runs/instruct-1", tmp_path / "runs/instruct-2"
    for folder in (trained, other):
        folder.mkdir(parents=True)
    cell("mlp2", 0.5, run_folders=[str(trained)]).write(tmp_path / "runs/sweeps/demo/0")
    assert main(["forget", "name=demo", f"runs={tmp_path}/runs"]) == 0
    assert [path.name for path in sorted((tmp_path / "runs").iterdir())] == ["instruct-2", "sweeps"]
    assert not (tmp_path / "runs/sweeps/demo").exists()
    assert main(["forget", "name=demo", f"runs={tmp_path}/runs"]) == 0


def test_one_cell_alone_has_a_name() -> None:
    assert labels([cell("mlp2", 0.5)]) == ["experiment=demo projector=mlp2"]
    assert labels([Outcome([])]) == ["default"]


def test_outcomes_come_back(tmp_path: Path) -> None:
    assert Outcome.read(tmp_path) is None
    cell("mlp2", 0.5).write(tmp_path)
    assert Outcome.read(tmp_path) == cell("mlp2", 0.5)
