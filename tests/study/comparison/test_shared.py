"""What was not trained again is counted from the cells' runs."""

import json
from pathlib import Path

import pytest

from vlm.study.comparison.shared import SharedStage, read_shared
from vlm.study.outcome import Outcome


def grid(tmp_path: Path, seconds: dict[str, float]) -> list[Outcome]:
    """Four mixtures by two seeds."""
    cells = []
    for seed in (1, 2):
        for mixture in range(4):
            names = [f"align-{seed}", f"instruct-{seed}{mixture}"]
            for name in names:
                run = tmp_path / "runs" / name
                run.mkdir(parents=True, exist_ok=True)
                stage = name.partition("-")[0]
                (run / "manifest.json").write_text(json.dumps({"seconds": seconds[stage] * seed}))
            folders = [str(tmp_path / "runs" / name) for name in names]
            cells.append(Outcome([f"seed={seed}", f"mixture={mixture}"], folders))
    return cells


def test_a_stage_of_several_cells_is_trained_once_a_seed(tmp_path: Path) -> None:
    cells = grid(tmp_path, {"align": 80.0, "instruct": 500.0})
    [shared] = read_shared(tmp_path / "runs/sweeps/x", cells)
    assert shared == SharedStage("align", trained=2, used=8, seconds=720.0)
    assert str(shared) == (
        "align was trained 2 times and used by 8 cells; 12 min of training were not done again"
    )


def test_nothing_is_said_where_nothing_is_shared_or_known(tmp_path: Path) -> None:
    cells = grid(tmp_path, {"align": 80.0, "instruct": 500.0})
    assert read_shared(tmp_path / "runs/sweeps/x", [cells[0], cells[4]]) == []
    assert read_shared(tmp_path / "runs/sweeps/x", [Outcome(["seed=1"], error="no")]) == []
    for manifest in tmp_path.glob("runs/align-*/manifest.json"):
        manifest.unlink()
    assert read_shared(tmp_path / "runs/sweeps/x", cells) == []


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(4.4, "4 s"), (59.9, "1 min"), (720.0, "12 min"), (3600.0, "1.0 h"), (1e5, "27.8 h")],
)
def test_durations_are_read_at_a_glance(seconds: float, said: str) -> None:
    assert str(SharedStage("align", 1, 2, seconds)) == (
        f"align was trained once and used by 2 cells; {said} of training were not done again"
    )
