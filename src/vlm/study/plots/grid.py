"""A sweep of two axes as a map of scores."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vlm.study.comparison.rows import DEFAULT, Row
from vlm.study.plots.points import Scores, new_figure, save


def draw_grid(
    rows: Sequence[Row], scores: Sequence[Scores], axes: Mapping[str, Sequence[str]], path: Path
) -> Path:
    """Draw a map for each benchmark.

    Args:
        rows: Of the sweep.
        scores: Of each benchmark.
        axes: Two keys with their values: the first goes down, the second across.
        path: To write to.
    """
    (down, downward), (across, rightward) = axes.items()
    columns = min(len(scores), 3)
    lines = -(-len(scores) // columns)
    longest = max(map(len, downward))
    width = min(14.0, max(4.2, 1.9 + 0.08 * longest + 0.95 * len(rightward)))
    figure, panels = new_figure(lines, columns, width, min(14.0, max(2.8, 1.4 + 0.55 * len(downward))))
    for panel in list(panels.flat)[len(scores) :]:
        panel.set_visible(False)
    for panel, one in zip(panels.flat, scores, strict=False):
        table = np.full((len(downward), len(rightward)), np.nan)
        for row, point in zip(rows, one.points, strict=True):
            if point:
                place = downward.index(row.words.get(down, DEFAULT))
                table[place, rightward.index(row.words.get(across, DEFAULT))] = point.value
        _draw(figure, panel, table, one)
        panel.set_xticks(range(len(rightward)), rightward, **_slanted(rightward))
        panel.set_yticks(range(len(downward)), downward)
        panel.set(title=one.benchmark, xlabel=across, ylabel=down)
    return save(figure, path)


def _slanted(values: Sequence[str]) -> dict[str, Any]:
    return {"rotation": 30, "ha": "right"} if max(map(len, values)) > 9 else {}


def _draw(figure: Any, panel: Any, table: Any, scores: Scores) -> None:
    image = panel.imshow(table, aspect="auto", cmap="viridis")
    panel.set_facecolor("0.9")
    panel.spines[:].set_visible(False)
    figure.colorbar(image, ax=panel, label=scores.title)
    for (row, column), value in np.ndenumerate(table):
        if np.isnan(value):
            panel.text(column, row, "-", ha="center", va="center", color="0.4")
            continue
        dark = image.norm(value) < 0.6
        panel.text(column, row, f"{value:.1f}", ha="center", va="center", color="white" if dark else "black")
