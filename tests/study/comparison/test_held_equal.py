"""A report says what its rows had in common, and what they had not."""

from pathlib import Path
from typing import Any

from vlm.run.folder import RunFolder
from vlm.study.comparison.held_equal import read_held_equal
from vlm.study.comparison.rows import fold
from vlm.study.outcome import Outcome

TUNED = {"tuning": {"best": 3, "is_at_edge": True, "runs": [], "losses": [], "steps": 5}}


def lines(folder: Path, *manifests: dict[str, Any]) -> list[str]:
    cells = []
    for number, manifest in enumerate(manifests):
        run = RunFolder(folder / f"runs/instruct-{number}")
        run.finish({"identity": {}, "learning_rate": 0.001, **manifest})
        cells.append(Outcome([f"projector={number // 2}", f"seed={number % 2}"], run_folders=[str(run)]))
    return read_held_equal(folder / "runs/sweeps/x", fold(cells)).lines()


def test_what_is_equal_is_told_from_what_is_not(tmp_path: Path) -> None:
    first = {"steps": 600, "samples": 19200, "flops": 10**13, "tokens": 1000}
    second = {"steps": 600, "samples": 19200, "flops": 2 * 10**13, "tokens": 1008}
    assert lines(tmp_path, first, first, second, second) == [
        "Held equal, within 1 %: steps (600), samples (19,200), tokens (1,008).",
        "Not equal: FLOPs (1e+13 to 2e+13).",
        "Learning rate: 0.001 everywhere, tried nowhere (tuning=probe3 would).",
    ]


def test_a_row_is_the_mean_of_its_seeds_and_what_one_does_not_know_nobody_does(tmp_path: Path) -> None:
    said = lines(tmp_path, {"steps": 10, "samples": None}, {"steps": 30}, {"steps": 20}, {"steps": 20})
    assert said[0] == "Held equal, within 1 %: steps (20)."


def test_budgets_and_tuned_rates_are_said(tmp_path: Path) -> None:
    budget = {"identity": {"budget": {"of": "visual_tokens", "amount": 1e6}}, "settled": TUNED}
    rates = [{**budget, "learning_rate": rate} for rate in (0.001, 0.003, 0.003, 0.003)]
    assert lines(tmp_path, *rates) == [
        "Budget of the last stage: 1e+06 visual tokens.",
        "Learning rates, as each row's probes found best: projector=0: 0.001, 0.003; projector=1: 0.003. "
        "At the edge of what was tried: projector=0, projector=1.",
    ]


def test_rates_that_differ_untuned_are_named(tmp_path: Path) -> None:
    said = lines(tmp_path, {}, {}, {"learning_rate": 0.1}, {"learning_rate": 0.1})
    assert said == ["Learning rates, not tuned alike: projector=0: 0.001; projector=1: 0.1."]
