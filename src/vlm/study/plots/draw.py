"""All pictures of a sweep that it has something to show for."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vlm.study.comparison.answered import find_run
from vlm.study.comparison.compare import Findings
from vlm.study.comparison.costs import Cost
from vlm.study.comparison.rows import Row, axes
from vlm.study.outcome import Outcome
from vlm.study.plots.bars import draw_bars
from vlm.study.plots.by_axis import draw_axis
from vlm.study.plots.grid import draw_grid
from vlm.study.plots.losses import Curve, draw_losses, read_curves
from vlm.study.plots.pareto import draw_pareto
from vlm.study.plots.points import read_scores


@dataclass(frozen=True)
class Drawn:
    """A picture.

    Args:
        path: Of the file.
        caption: What it shows.
    """

    path: Path
    caption: str


def draw_all(
    sweep: Path,
    cells: Sequence[Outcome],
    rows: Sequence[Row],
    headlines: Mapping[str, str],
    findings: Findings,
    costs: Sequence[Cost],
    output: Path,
) -> list[Drawn]:
    """Draw what there is; a picture of nothing is left out.

    Args:
        sweep: Folder of the sweep.
        cells: Of the sweep.
        rows: Of the sweep.
        headlines: Of each benchmark.
        findings: The noise of each benchmark among them.
        costs: Of each row.
        output: Folder to write in.
    """
    drawn = []
    if headlines:
        scored = [row for row in rows if any(cell.metrics for cell in row.cells)]
        path = draw_bars(scored, cells, headlines, output / "report.png")
        drawn.append(Drawn(path, "accuracy by kind of question"))
        drawn += _draw_scores(cells, scored, headlines, findings, output)
        drawn += _draw_costs(cells, rows, headlines, findings, costs, output)
    return drawn + _draw_losses(sweep, rows, output)


def _draw_scores(
    cells: Sequence[Outcome],
    rows: Sequence[Row],
    headlines: Mapping[str, str],
    findings: Findings,
    output: Path,
) -> list[Drawn]:
    scores, differing = read_scores(rows, cells, headlines, findings.noise), axes(rows)
    drawn = [
        Drawn(
            draw_axis(rows, scores, differing, axis, output / f"axis-{_file_name(axis)}.png"),
            f"scores by {axis}",
        )
        for axis in differing
    ]
    if len(differing) == 2:
        path = draw_grid(rows, scores, differing, output / "grid.png")
        drawn.append(Drawn(path, f"scores by {' and '.join(differing)}"))
    return drawn


def _draw_costs(
    cells: Sequence[Outcome],
    rows: Sequence[Row],
    headlines: Mapping[str, str],
    findings: Findings,
    costs: Sequence[Cost],
    output: Path,
) -> list[Drawn]:
    scores = read_scores(rows, cells, headlines, findings.noise)
    return [
        Drawn(draw_pareto(rows, scores, cost, output / f"{cost.name}.png"), f"scores against {cost.title}")
        for cost in costs
        if cost.differs
    ]


def _draw_losses(sweep: Path, rows: Sequence[Row], output: Path) -> list[Drawn]:
    """Draw a picture for each stage, counted from the last; rows that share a run share a line."""
    drawn = []
    deepest = max((len(cell.run_folders) for row in rows for cell in row.cells), default=0)
    for depth in range(deepest, 0, -1):
        owners: dict[str, list[str]] = {}
        for row in rows:
            for cell in row.cells[:1]:
                if len(cell.run_folders) >= depth:
                    owners.setdefault(cell.run_folders[-depth], []).append(row.label)
        curves: dict[str, dict[str, Curve]] = {}
        for folder, names in owners.items():
            curves[_shared(names, len(rows))] = read_curves(find_run(sweep, folder))
        if any(curves.values()):
            stage = Path(next(iter(owners))).name.rpartition("-")[0] or f"stage-{deepest - depth}"
            path = draw_losses(curves, output / f"losses-{_file_name(stage)}.png")
            drawn.append(Drawn(path, f"losses of {stage} by source, of each row's first seed"))
    return drawn


def _shared(names: Sequence[str], among: int) -> str:
    if len(names) == among > 1:
        return "all cells"
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def _file_name(text: str) -> str:
    return re.sub(r"[^\w.]+", "-", text)
