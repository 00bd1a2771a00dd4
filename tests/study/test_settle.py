"""Budgets and rates that a sentence leaves open are settled by short trainings, each a run of its own."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Compose
from vlm.cli import main
from vlm.sentence import PlannedStage, read_sentence
from vlm.study.settle import PACE_STEPS, settle
from vlm.training.guards import NotFiniteError

Answer = Callable[[PlannedStage], dict[str, Any]]


class Trainer:
    """Stands for training: notes what is asked for, and writes what the test wants to have come out."""

    def __init__(self, outcome: Answer) -> None:
        self.outcome = outcome
        self.asked: list[tuple[PlannedStage, str]] = []

    def __call__(self, stage: PlannedStage, purpose: str) -> None:
        self.asked.append((stage, purpose))
        stage.folder.finish(self.outcome(stage))


def rate_of(stage: PlannedStage) -> float:
    return float(stage.config.stage.optimizer.learning_rate)


def test_a_sentence_that_says_everything_is_as_it_was(compose: Compose) -> None:
    stage = read_sentence(compose())
    assert settle(stage, Trainer(lambda _: {})) is stage


def test_the_rate_is_kept_with_which_a_short_training_comes_furthest(compose: Compose) -> None:
    words = ["stage.steps=40", "trainer.max_steps=null", "stage.optimizer.learning_rate=0.01"]
    stage = read_sentence(compose(*words, "stage.optimizer.llm.learning_rate=0.02", "tuning=probe3"))
    train = Trainer(lambda run: {"validation_loss": abs(math.log(rate_of(run) / 0.004))})
    settled = settle(stage, train)
    assert [rate_of(run) for run, _ in train.asked] == pytest.approx([0.003, 0.01, 0.03])
    assert [purpose for _, purpose in train.asked] == [
        f"learning_rate={rate}" for rate in (0.003, 0.01, 0.03)
    ]
    assert {run.config.stage.steps for run, _ in train.asked} == {2}
    assert rate_of(settled) == pytest.approx(0.003)
    assert settled.config.stage.optimizer.llm.learning_rate == pytest.approx(0.006)
    assert settled.folder.path == stage.folder.path
    again = Trainer(lambda _: {})
    assert settle(stage, again).config == settled.config  # goes on as what it was begun as
    assert not again.asked
    found = settled.settled["tuning"]
    assert (found["best"], found["is_at_edge"], found["steps"]) == (0.3, True, 2)
    assert found["runs"] == [run.folder.path.name for run, _ in train.asked]
    assert stage.folder.path.name not in found["runs"]


def test_a_rate_that_gives_no_numbers_is_not_the_best(
    compose: Compose, capsys: pytest.CaptureFixture[str]
) -> None:
    def burst(run: PlannedStage) -> dict[str, Any]:
        if rate_of(run) > 0.02:
            raise NotFiniteError("loss is nan at step 1")
        return {"validation_loss": 1 / rate_of(run)}

    stage = read_sentence(compose("stage.optimizer.learning_rate=0.01", "tuning=probe3"))
    assert rate_of(settle(stage, Trainer(burst))) == pytest.approx(0.01)
    assert "a learning rate of 0.03 is too high: loss is nan at step 1" in capsys.readouterr().out

    stage = read_sentence(compose("stage.optimizer.learning_rate=1", "tuning=probe3"))
    with pytest.raises(ValueError, match=r"tuning.factors=\[0.3, 1.0, 3.0\]: every loss is no number; lower"):
        settle(stage, Trainer(burst))


def test_hours_are_turned_into_samples_by_the_pace_of_as_many_devices(compose: Compose) -> None:
    words = ["trainer.max_steps=null", "stage.batch_size=4", "budget=gpu_hours", "budget.amount=0.5"]
    stage = read_sentence(compose(*words, "devices=2", "strategy=ddp"))
    train = Trainer(lambda _: {"seconds_per_step": 3.0})
    settled = settle(stage, train)
    [(run, purpose)] = train.asked
    assert (purpose, run.config.stage.steps, run.config.budget.of) == ("pace", PACE_STEPS, None)
    assert settled.config.budget.of.value == "samples"
    assert settled.config.budget.amount == 4 * 1800 / (2 * 3.0)
    assert settled.settled["pace"]["samples"] == 1200
    stage.folder.settled.unlink()
    alone = Trainer(lambda _: {"seconds_per_step": 3.0})
    settle(read_sentence(compose(*words)), alone)
    stage.folder.settled.unlink()
    assert alone.asked[0][0].folder.path.name != run.folder.path.name  # the pace of one is another
    slow = Trainer(lambda _: {"seconds_per_step": 1e5})
    with pytest.raises(
        ValueError, match=r"budget.amount=0.5 pays for no step: one takes 1e\+05 s on 2 devices"
    ):
        settle(stage, slow)


def test_a_budgeted_and_tuned_cell_spends_what_it_may(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Really trained: steps follow from the budget, the rate from the probes, and both are written down."""
    said = [*words, "trainer.max_steps=null", "stage.after.steps=2", "evaluation=none", "tracking=none"]
    said += ["budget=tokens", "budget.amount=3000", "tuning=probe3", "tuning.fraction=0.2"]
    sweep = [*said, "projector=linear,mlp2", "name=fair"]
    assert main(["train", "-m", *sweep]) == 0
    [linear, mlp] = [
        json.loads(path.read_text()) for path in sorted(tmp_path.glob("runs/sweeps/fair/*/*.json"))
    ]
    manifests = [
        json.loads((Path(cell["run_folders"][-1]) / "manifest.json").read_text()) for cell in (linear, mlp)
    ]
    for manifest in manifests:
        a_step = manifest["tokens"] / manifest["steps"]
        assert abs(manifest["tokens"] - 3000) < a_step
        tuning = manifest["settled"]["tuning"]
        assert manifest["learning_rate"] == pytest.approx(0.001 * tuning["best"])
        best = min(tuning["losses"], key=lambda one: one["loss"])
        assert best["factor"] == tuning["best"]
        assert all((tmp_path / "runs" / run / "manifest.json").is_file() for run in tuning["runs"])
    capsys.readouterr()
    report = ["report", "name=fair", f"runs={tmp_path}/runs", f"output={tmp_path}/report", "record=false"]
    assert main(report) == 0
    page = (tmp_path / "report/report.md").read_text()
    assert "Budget of the last stage: 3000 tokens." in page
    assert "Learning rates, as each row's probes found best: projector=linear: " in page
    assert main(["forget", "name=fair", f"runs={tmp_path}/runs"]) == 0
    assert not list(tmp_path.glob("runs/instruct-*"))
