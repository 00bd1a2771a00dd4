"""A benchmark's headline along one axis of the sweep; each combination of the others is a line."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vlm.study.comparison.rows import DEFAULT, Row
from vlm.study.plots.points import MARKERS, MOST_IN_LEGEND, Scores, add_legend, new_figure, save

WIDE = 10.0
"""Numbers of an axis that are so many times apart are drawn on a logarithmic scale."""


def draw_axis(
    rows: Sequence[Row],
    scores: Sequence[Scores],
    axes: Mapping[str, Sequence[str]],
    axis: str,
    path: Path,
) -> Path:
    """Draw a panel for each benchmark.

    Args:
        rows: Of the sweep.
        scores: Of each benchmark.
        axes: All keys that differ, with their values.
        axis: The one to draw along.
        path: To write to.
    """
    columns = min(len(scores), 3)
    lines = -(-len(scores) // columns)
    figure, panels = new_figure(lines, columns, 5.2 if columns > 1 else 6.4, 3.8)
    for panel in list(panels.flat)[len(scores) :]:
        panel.set_visible(False)
    for panel, one in zip(panels.flat, scores, strict=False):
        _draw(panel, rows, one, axes, axis)
    if len(axes) > 1:
        add_legend(figure, panels)
    return save(figure, path)


def _draw(
    panel: Any, rows: Sequence[Row], scores: Scores, axes: Mapping[str, Sequence[str]], axis: str
) -> None:
    places = _places(axes[axis])
    others = [key for key in axes if key != axis]
    lines: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        if scores.points[number]:
            label = " ".join(f"{key}={row.words.get(key, DEFAULT)}" for key in others)
            lines.setdefault(label, []).append(number)
    for place, (label, numbers) in enumerate(lines.items()):
        at = {places[rows[n].words.get(axis, DEFAULT)]: scores.points[n] for n in numbers}
        points = [(x, point) for x, point in sorted(at.items()) if point]
        nudge = 0.0 if _is_numeric(axes[axis]) else 0.06 * (place - (len(lines) - 1) / 2)
        below, above = zip(*((p.arms[0][0], p.arms[1][0]) for _, p in points), strict=True)
        panel.errorbar(
            [x + nudge for x, _ in points],
            [p.value for _, p in points],
            yerr=[below, above],
            fmt=f"-{MARKERS[place % len(MARKERS)]}",
            capsize=3,
            label=label if len(lines) <= 2 * MOST_IN_LEGEND else None,
        )
    if _is_numeric(axes[axis]):
        ordered = sorted(places.items(), key=lambda item: item[1])
        if ordered[0][1] > 0 and ordered[-1][1] >= WIDE * ordered[0][1]:
            panel.set_xscale("log")
        panel.set_xticks([place for _, place in ordered], [value for value, _ in ordered])
        panel.minorticks_off()
    else:
        panel.set_xticks(range(len(places)), list(places), **_slanted(places))
        panel.set_xlim(-0.5, len(places) - 0.5)
    panel.set(title=scores.benchmark, xlabel=axis, ylabel=scores.title)


def _slanted(values: Mapping[str, float]) -> dict[str, Any]:
    """Return how long words are set, so that they do not run into each other."""
    return {"rotation": 25, "ha": "right"} if sum(map(len, values)) > 40 else {}


def _is_numeric(values: Sequence[str]) -> bool:
    try:
        return len({float(value) for value in values}) == len(values)
    except ValueError:
        return False


def _places(values: Sequence[str]) -> dict[str, float]:
    """Return where each value lies: a number where it is, words one after another."""
    if _is_numeric(values):
        return {value: float(value) for value in values}
    return {value: float(place) for place, value in enumerate(values)}
