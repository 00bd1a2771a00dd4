"""Scores against what they cost, and which rows no other beats in both."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vlm.study.comparison.costs import Cost
from vlm.study.comparison.rows import Row
from vlm.study.plots.points import MARKERS, MOST_IN_LEGEND, Point, Scores, add_legend, new_figure, save

WIDE = 5.0
"""Costs that are so many times apart are drawn on a logarithmic scale."""


def front(costs: Sequence[float], scores: Sequence[float]) -> list[int]:
    """Return which entries no other beats: none costs less or as much and scores more, or as much for less.

    They are in the order of their costs.
    """
    order = sorted(range(len(costs)), key=lambda number: (costs[number], -scores[number]))
    kept: list[int] = []
    for number in order:
        if not kept or scores[number] > scores[kept[-1]]:
            kept.append(number)
    return kept


def draw_pareto(rows: Sequence[Row], scores: Sequence[Scores], cost: Cost, path: Path) -> Path:
    """Draw a panel for each benchmark.

    Args:
        rows: Of the sweep.
        scores: Of each benchmark.
        cost: Of each row.
        path: To write to.
    """
    columns = min(len(scores), 3)
    lines = -(-len(scores) // columns)
    width = 5.2 if columns > 1 else 6.4
    figure, panels = new_figure(lines, columns, width, 4.2)
    for panel in list(panels.flat)[len(scores) :]:
        panel.set_visible(False)
    for panel, one in zip(panels.flat, scores, strict=False):
        _draw(panel, rows, one, cost)
    add_legend(figure, panels)
    return save(figure, path)


def _draw(panel: Any, rows: Sequence[Row], scores: Scores, cost: Cost) -> None:
    known: list[tuple[int, float, Point]] = [
        (number, value, point)
        for number, (value, point) in enumerate(zip(cost.values, scores.points, strict=True))
        if value is not None and point is not None
    ]
    costs, values = [value for _, value, _ in known], [point.value for _, _, point in known]
    best = front(costs, values)
    panel.plot(
        [costs[n] for n in best], [values[n] for n in best],
        "-", drawstyle="steps-post", color="0.7", zorder=0, label="Pareto front",
    )  # fmt: skip
    few = len(rows) <= MOST_IN_LEGEND
    for place, (number, value, point) in enumerate(known):
        named = few or place in best
        panel.errorbar(
            [value], [point.value], yerr=point.arms, capsize=3,
            fmt=MARKERS[number % len(MARKERS)] if named else "o",
            color=f"C{number % 10}" if named else "0.7",
            markerfacecolor=None if place in best else "white",
            zorder=2 if named else 1,
            label=rows[number].label if named else "others",
        )  # fmt: skip
    if costs and min(costs) > 0 and max(costs) >= WIDE * min(costs):
        panel.set_xscale("log")
    panel.set(title=scores.benchmark, xlabel=cost.title, ylabel=scores.title)
