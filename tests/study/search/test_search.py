"""A search: Optuna chooses cells, failures are no end, and a stop is none either."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.study.cells import pretend, train_here
from vlm.cli import main
from vlm.study.outcome import Outcome

SEARCH = ["train", "-m", "hydra/sweeper=optuna"]
RATE = "stage.optimizer.learning_rate=tag(log,interval(1e-4,1e-2))"


def rate_of(words: Sequence[str]) -> float:
    [rate] = [word for word in words if word.startswith("stage.optimizer.learning_rate=")]
    return float(rate.split("=")[1])


def score(words: Sequence[str]) -> float:
    """Best at a rate of 3e-3, and better by mlp2."""
    return 0.5 - abs(rate_of(words) - 3e-3) * 10 + 0.2 * ("projector=mlp2" in words)


def cells(tmp_path: Path) -> list[Outcome]:
    folder = tmp_path / "runs/sweeps/default"
    read = [Outcome.read(path.parent) for path in folder.glob("*/outcome.json")]
    return [outcome for outcome in read if outcome]


@pytest.mark.slow
def test_a_real_search_goes_by_held_out_loss_and_goes_on(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train_here(monkeypatch)
    goal = ["objective=validation/loss", "hydra.sweeper.direction=minimize", "evaluation=none"]
    run = [*SEARCH, RATE, *goal, *words, "stage=align_shapes", "mixture.caption.held_out=8"]
    assert main([*run, "hydra.sweeper.n_trials=2"]) == 0
    assert capsys.readouterr().out.count("align: training") == 2
    assert main([*run, "hydra.sweeper.n_trials=3"]) == 0
    said = capsys.readouterr().out
    assert said.count("align: training") == 1
    assert "best of 3 cells: stage.optimizer.learning_rate=" in said
    losses = [cell.metrics["validation/loss"] for cell in cells(tmp_path)]
    assert len(losses) == 3
    assert f"objective {min(losses):.5g})" in said
    assert all(cell.metrics["validation/caption/loss"] > 0 for cell in cells(tmp_path))


@pytest.mark.parametrize(
    "sampler",
    [
        ["hydra.sweeper.sampler.n_startup_trials=2"],
        ["hydra/sweeper/sampler=gp", "hydra.sweeper.sampler.n_startup_trials=2"],
        ["hydra/sweeper/sampler=random"],
    ],
)
def test_samplers_find_the_better_choice(
    sampler: list[str], words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = pretend(monkeypatch, score)
    axes = [RATE, "projector=linear,mlp2"]
    more = [*sampler, "hydra.sweeper.n_trials=6", "hydra.sweeper.n_jobs=2"]
    assert main([*SEARCH, *axes, *more, *words]) == 0
    assert len(ran) == 6
    assert all(1e-4 <= rate_of(cell) <= 1e-2 for cell in ran)
    assert "projector=mlp2" in re.search(r"best of 6 cells: (.*)", capsys.readouterr().out)[1]


def test_a_failed_cell_is_a_failed_trial_and_is_tried_again(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = pretend(monkeypatch, lambda said: None if "projector=linear" in said else 0.5)
    run = [*SEARCH, "projector=linear,mlp2", RATE, "hydra.sweeper.n_trials=5", *words]
    assert main(run) == 1
    assert len(ran) == 5
    failed = [cell.overrides for cell in cells(tmp_path) if cell.error]
    assert 0 < len(failed) < 5
    again = pretend(monkeypatch, lambda _: 0.5)
    assert main(run) == 0
    assert sorted(again) == sorted(failed)
    assert len(cells(tmp_path)) == 5
    assert pretend(monkeypatch, lambda _: 0.5) == []
    assert main(run) == 0, "and a third time, there is nothing left to do"


def test_a_search_that_was_stopped_goes_on_with_the_cell_that_was_cut_off(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = [*SEARCH, RATE, "hydra.sweeper.n_trials=4", *words]

    def stop(said: Sequence[str]) -> float:
        if len(ran) == 3:
            raise KeyboardInterrupt
        return score(said)

    ran = pretend(monkeypatch, stop)
    assert main(run) == 130
    rest = pretend(monkeypatch, score)
    assert main(run) == 0
    assert rest[0] == ran[2]
    assert len(rest) == 2
    rates = [rate_of(cell) for cell in (*ran, *rest)]
    assert len(set(rates)) == 4, "one that goes on draws nothing twice"
    assert len(cells(tmp_path)) == 4


def test_parallel_cells_are_a_launchers(words: list[str], tmp_path: Path) -> None:
    """Cells that nobody can train, in processes of joblib's."""
    parallel = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "hydra.sweeper.n_jobs=2"]
    run = [*SEARCH, RATE, *parallel, "hydra.sweeper.n_trials=2", *words, "trainer.keep_best=true"]
    assert main(run) == 1
    assert ["no source holds out" in (cell.error or "") for cell in cells(tmp_path)] == [True, True]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["projector=mlp2"], "there is nothing to search; say an axis"),
        (["projector=linear,foo"], "projector/foo"),
        ([RATE, "evaluation=none"], "objective is null"),
        ([RATE, "objective=benchmark/pope/f1"], "benchmark/shapes/METRIC"),
        ([RATE, "objective=validation/loss"], "objective=validation/loss is none of"),
        ([RATE, "objective=validation/loss", "mixture.ocr.held_out=4"], "sweeper.direction=minimize"),
        ([RATE, "hydra.sweeper.n_trials=0"], "hydra.sweeper.n_trials must be at least 1"),
        (["stage.optimizer.learning_rate=interval(-1,1)"], "learning_rate must be above 0"),
        (["projector=tag(log,choice(linear,mlp2))"], "the only tag is log, of an interval"),
    ],
)
def test_what_cannot_be_searched_is_named_before_anything_runs(
    more: list[str], message: str, words: list[str], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    ran = pretend(monkeypatch, score)
    assert main([*SEARCH, *more, *words]) == 2
    assert message in capsys.readouterr().err
    assert not ran


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (["seed=1"], ["seed=2"], "cell 0 is of other words"),
        (["projector=linear,mlp2"], ["projector=linear,mlp2,mlp4"], "other choices of projector"),
    ],
)
def test_cells_of_another_kind_are_not_mixed_into_a_study(
    before: list[str], after: list[str], message: str, words: list[str], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    pretend(monkeypatch, score)
    run = [*SEARCH, RATE, "hydra.sweeper.n_trials=1", *words]
    assert main([*run, *before]) == 0
    assert main([*run, *after]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "vlm forget name=default" in said
