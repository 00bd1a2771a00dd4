"""A sweep with evidence: what is real is bold, what is noise is said to be, and everything is drawn."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from PIL import Image

from tests.study.made_up import POPE, MadeUp
from vlm.cli import main
from vlm.study.report import Report, make_report
from vlm.tracking.mlflow import MLflowTracker


@dataclass
class Made:
    """A report of a sweep that was made up."""

    report: Report
    folder: Path

    @property
    def markdown(self) -> str:
        return (self.folder / "report.md").read_text()

    @property
    def known(self) -> dict[str, Any]:
        known: dict[str, Any] = json.loads((self.folder / "report.json").read_text())
        return known


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Of a grid of two axes and three seeds, in which one projector is better."""
    folder = tmp_path_factory.mktemp("grid")
    sweep = MadeUp(folder)
    for rate in ("1e-3", "1e-2"):
        for projector, skill in (("linear", 0.6), ("mlp2", 0.8)):
            for seed in (1, 2, 3):
                words = [f"projector={projector}", f"stage.optimizer.learning_rate={rate}", f"seed={seed}"]
                number = sweep.number
                sweep.add(
                    words, skill, number,
                    manifest={
                        "flops": 10**12 * (number // 3 + 1),
                        "visual_tokens_per_picture": 64.0 + number // 6,
                    },
                    losses={"ocr": [3.0, 2.0, 1.0], "count": [2.0, 1.5, 1.2 + number / 10]},
                )  # fmt: skip
    return Made(make_report(sweep.sweep, folder / "report"), folder / "report")


@pytest.fixture
def small(tmp_path: Path) -> MadeUp:
    """Two cells, far apart."""
    sweep = MadeUp(tmp_path, words=[*POPE, f"paths.runs={tmp_path}/runs"])
    for projector, skill in (("linear", 0.6), ("mlp2", 0.8)):
        sweep.add([f"projector={projector}"], skill, 3)
    return sweep


def test_real_differences_are_bold_and_noise_is_said_to_be(made: Made) -> None:
    known, better, worse = made.known, "projector=mlp2 stage.optimizer.learning_rate=", "projector=linear "
    assert {comparison["row"]: comparison["is_real"] for comparison in known["comparisons"]} == {
        f"{better}1e-3": True, f"{better}1e-2": True, f"{worse}stage.optimizer.learning_rate=1e-2": False,
    }  # fmt: skip
    lines = made.markdown.splitlines()
    bold = [line for line in lines if "**" in line]
    assert len(bold) == 4  # two of each table
    assert all(better in line for line in bold)
    [noise] = [line for line in lines if re.search(r"inside the noise +\|", line)]
    assert worse in noise
    assert re.search(r"\| \d+\.\d ± \d+\.\d \(3 seeds\)", made.markdown)
    assert known["rule"] in made.markdown
    assert made.report.notes == []
    assert all(line in lines for line in made.report.text.splitlines())


def test_the_json_has_everything_unrounded(made: Made) -> None:
    known = made.known
    assert known["axes"] == {
        "projector": ["linear", "mlp2"], "stage.optimizer.learning_rate": ["1e-3", "1e-2"],
    }  # fmt: skip
    assert [row["flops"] for row in known["rows"]] == [1e12, 2e12, 3e12, 4e12]
    assert [row["cells"] for row in known["rows"]] == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]]
    assert known["noise"]["pope"]["freedom"] == 8
    first = known["comparisons"][0]
    f1 = [cell["metrics"]["benchmark/pope/f1"] for cell in known["cells"]]
    assert first["difference"] == pytest.approx(sum(f1[3:6]) / 3 - sum(f1[:3]) / 3)
    assert first["interval"][0] < first["difference"] < first["interval"][1]
    assert first["seed_interval"][1] - first["difference"] == pytest.approx(first["floor"])
    assert first["test"] == "permutation"


def test_every_picture_is_drawn(made: Made) -> None:
    pictures = [file for file in made.report.files if file.suffix == ".png"]
    assert [file.name for file in pictures] == [
        "report.png", "axis-projector.png", "axis-stage.optimizer.learning_rate.png", "grid.png",
        "flops.png", "visual_tokens.png", "losses-instruct.png",
    ]  # fmt: skip
    for file in pictures:
        assert min(Image.open(file).size) > 300
        assert f"]({file.name})" in made.markdown


def test_latex_has_both_tables(made: Made) -> None:
    text = (made.folder / "report.tex").read_text()
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 2
    assert text.count(r"\textbf{") == 4
    assert "learning_rate" not in text
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert {line.count(" & ") for line in rows} == {5, 8}


def test_a_sweep_without_costs_or_traces_has_no_such_pictures(tmp_path: Path) -> None:
    sweep = MadeUp(tmp_path)
    for projector in ("linear", "mlp2"):
        sweep.add([f"projector={projector}"], 0.7, 3)
    report = make_report(sweep.sweep, tmp_path / "report")
    assert [file.name for file in report.files] == [
        "report.md", "report.tex", "report.json", "report.png", "axis-projector.png",
    ]  # fmt: skip
    assert "**" not in (tmp_path / "report/report.md").read_text()
    assert any("No row has several seeds" in note for note in report.notes)
    assert "+0.0 [+0.0, +0.0]" in report.text


def test_a_fallback_is_said(small: MadeUp, tmp_path: Path) -> None:
    for number, word in enumerate(("linear", "mlp2")):
        outcome = small.sweep / f"{number}/outcome.json"
        outcome.write_text(outcome.read_text().replace(f"projector={word}", f"projector=renamed_{word}"))
    report = make_report(small.sweep, tmp_path / "report")
    [note] = [note for note in report.notes if "compared by the mean score of its questions" in note]
    assert "not by f1: " in note
    assert "cannot be composed any more" in note
    assert "pope (mean score)" in report.text
    assert "real, of these runs" in report.text


def test_the_verb_takes_a_baseline_and_the_tracker_keeps_the_report(
    small: MadeUp, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    uri = f"sqlite:///{small.runs}/mlflow.db"
    parent = MLflowTracker(uri, f"{small.runs}/artifacts").start("made_up", "made_up", None, {}, {})
    (small.sweep / "sweep.json").write_text(json.dumps({"parent": parent}))
    asked = ["report", "name=made_up", f"runs={small.runs}", f"output={tmp_path}/report"]
    assert main([*asked, "baseline=projector=mlp2"]) == 0
    printed = capsys.readouterr().out
    assert f"written: {tmp_path}/report/report.md, report.tex, report.json, report.png" in printed
    assert "note: the tracker" not in printed
    [comparison] = json.loads((tmp_path / "report/report.json").read_text())["comparisons"]
    assert (comparison["row"], comparison["baseline"]) == ("projector=linear", "projector=mlp2")
    assert comparison["difference"] < 0
    kept = {artifact.path for artifact in MlflowClient(uri).list_artifacts(parent)}
    assert kept == {"report.md", "report.tex", "report.json", "report.png", "axis-projector.png"}
    assert main([*asked, "baseline=projector=none"]) == 2
    assert "say one of: projector=linear; projector=mlp2" in capsys.readouterr().err


def test_a_tracker_that_does_not_know_the_sweep_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = MadeUp(tmp_path, words=[*POPE, "tracking=none"])
    small.add(["projector=linear"], 0.7, 3)
    (small.sweep / "sweep.json").write_text(json.dumps({"parent": "nobody"}))
    asked = ["report", "name=made_up", f"runs={small.runs}", f"output={tmp_path}/report"]
    assert main(asked) == 0
    assert "note: the tracker's run nobody could not keep the report: " in capsys.readouterr().out
    assert main([*asked, "record=false"]) == 0
    assert "note: the tracker" not in capsys.readouterr().out


def test_a_trained_cell_names_its_evidence(words: list[str], tmp_path: Path) -> None:
    for number, projector in enumerate(("linear", "mlp2")):
        chosen = ["stage.after=null", "evaluation.questions=10", f"projector={projector}"]
        cell = f"cell='{tmp_path}/runs/sweeps/real/{number}'"
        assert main(["train", *words, *chosen, "evaluation.controls=[]", cell]) == 0
    report = make_report(tmp_path / "runs/sweeps/real", tmp_path / "report")
    [comparison] = json.loads((tmp_path / "report/report.json").read_text())["comparisons"]
    assert comparison["metric"] == "accuracy"
    assert [note for note in report.notes if "compared" in note] == []
    assert {file.name for file in report.files} >= {"flops.png", "losses-instruct.png"}
