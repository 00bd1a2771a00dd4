"""Loss curves are read from what runs noted."""

import json
from pathlib import Path

import pytest

from vlm.study.plots.losses import MOST_POINTS, read_curves


def write(folder: Path, lines: list[str]) -> None:
    (folder / "trace.jsonl").write_text("\n".join(lines))


def test_curves_are_by_source_and_step(tmp_path: Path) -> None:
    assert read_curves(tmp_path) == {}
    lines = [
        json.dumps({"step": step, "loss": 1.0, "losses": {"ocr": 4.0 / step, "count": None}})
        for step in (1, 2, 4)
    ]
    again = json.dumps({"step": 2, "loss": 1.0, "losses": {"ocr": 2.5}})  # after going on from step 1
    write(tmp_path, [*lines, again, '{"step": 5, "lo'])
    assert read_curves(tmp_path) == {"ocr": [(1, 4.0), (2, 2.5), (4, 1.0)]}


def test_a_run_that_noted_no_source_has_no_curve(tmp_path: Path) -> None:
    write(tmp_path, [json.dumps({"step": 1, "loss": 1.0})])
    assert read_curves(tmp_path) == {}


def test_a_long_curve_is_averaged(tmp_path: Path) -> None:
    write(
        tmp_path, [json.dumps({"step": n, "losses": {"ocr": float(n % 2)}}) for n in range(10 * MOST_POINTS)]
    )
    curve = read_curves(tmp_path)["ocr"]
    assert len(curve) == MOST_POINTS
    assert [loss for _, loss in curve] == pytest.approx([0.5] * MOST_POINTS)
