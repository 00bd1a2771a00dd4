"""`vlm diff` says so in its exit status, and finds runs by name."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from omegaconf import DictConfig

from vlm.cli import main
from vlm.compose import compose_sentence
from vlm.sentence import read_sentence
from vlm.tracking.base import Tracker
from vlm.tracking.none import NoTracker


class Tagging(NoTracker):
    """Knows the folders of two runs: a stage's, and a cell's last stage's."""

    def __init__(self, stage: Path, cell: Path) -> None:
        self.known = {"0a1b": {"folder": str(stage)}, "2c3d": {"cell": "seed=2", "model": str(cell)}}

    def tags(self, run: str) -> Mapping[str, str]:
        return self.known[run] if run in self.known else super().tags(run)


def test_runs_are_named_by_the_tracker_or_by_their_folders(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = []
    for seed in (1, 2):
        more = ["twin=true", "stage.after=null", "trainer.max_steps=2", "evaluation=none", f"seed={seed}"]
        assert main(["train", *words, *more]) == 0
        runs.append(read_sentence(compose_sentence([*words, *more]).config).folder.path)
    asked: list[str] = []

    def build_tracker(config: DictConfig) -> Tracker:
        asked.append(config.paths.runs)
        return Tagging(*runs)

    monkeypatch.setattr("vlm.build.build_tracker", build_tracker)
    capsys.readouterr()
    assert main(["diff", "0a1b", "2c3d", "paths.runs=elsewhere"]) == 1
    said = capsys.readouterr().out
    assert said.endswith("likely cause: init differs (encoder, projector, llm): seed 1 against 2\n")
    assert asked == ["elsewhere", "elsewhere"]
    assert main(["diff", "0a1b", str(runs[0]), "format=json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["same"] is True
    assert found["first"] == found["second"]
    assert main(["diff", str(runs[0]), str(runs[1]), "format=json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["stages"][0]["partings"][0]["kind"] == "init"
    assert {leaf["key"]: leaf["enters"] for leaf in found["stages"][0]["config"]} == {"seed": True}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["one"], "vlm diff compares two runs, got 1"),
        (["nowhere", "nowhere", "tracking=none"], "tracking=none keeps no run nowhere"),
        (["src", "src"], "src is no run's folder: it has no config.yaml"),
        (["src", "src", "format=xml"], "format=xml must be one of text, json"),
    ],
)
def test_a_mistake_is_one_line(
    words: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "src").mkdir()
    assert main(["diff", *words]) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1
