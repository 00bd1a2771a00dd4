"""Every row's score, by kind of question, with the blind control across each bar."""

from collections.abc import Mapping, Sequence
from math import isnan, nan
from pathlib import Path
from statistics import fmean
from typing import Any

from vlm.study.comparison.layout import BLIND
from vlm.study.comparison.rows import Row, kinds, scale
from vlm.study.outcome import Outcome
from vlm.study.plots.points import MOST_IN_LEGEND, add_legend, new_figure, save

BAR_INCHES = 0.26
"""Wide enough for the number above it."""


def draw_bars(
    rows: Sequence[Row], cells: Sequence[Outcome], headlines: Mapping[str, str], path: Path
) -> Path:
    """Draw a panel for each benchmark.

    Args:
        rows: With scores.
        cells: Of the sweep.
        headlines: Of each benchmark.
        path: To write to.
    """
    num_bars = len(rows) * max(1 + len(kinds(cells, *one)) for one in headlines.items())
    inches = min(max(8.0, BAR_INCHES * num_bars), 40.0)
    figure, panels = new_figure(len(headlines), 1, inches, 3.8)
    size = min(8.0, 24 * inches / num_bars)
    for panel, (benchmark, headline) in zip(panels[:, 0], headlines.items(), strict=True):
        _draw(panel, rows, cells, (benchmark, headline), size)
    add_legend(figure, panels)
    return save(figure, path)


def _draw(
    panel: Any, rows: Sequence[Row], cells: Sequence[Outcome], one: tuple[str, str], font_size: float
) -> None:
    benchmark, headline = one
    times, parts = scale(cells, *one), kinds(cells, *one)
    suffixes, width = ["", *(f"/{part}" for part in parts)], 0.8 / len(rows)
    for number, row in enumerate(rows):
        places = [column + (number - (len(rows) - 1) / 2) * width for column in range(len(suffixes))]
        seeing = [_mean(row, f"benchmark/{benchmark}/{headline}{suffix}", times) for suffix in suffixes]
        blind = [
            _mean(row, f"benchmark/{benchmark}/{_blind(headline, suffix)}", times) for suffix in suffixes
        ]
        hatch = "///" if number >= MOST_IN_LEGEND else None  # colors begin again
        bars = panel.bar(places, seeing, 0.92 * width, label=row.label, hatch=hatch)
        panel.bar_label(bars, fmt="%.0f", fontsize=font_size, padding=1)
        panel.hlines(
            blind,
            [place - width / 2 for place in places],
            [place + width / 2 for place in places],
            "black",
            label="without pictures" if number == len(rows) - 1 and not all(map(isnan, blind)) else None,
        )
    panel.set_xticks(range(len(suffixes)), ["all", *parts])
    panel.set(title=benchmark, ylabel=f"{headline} (%)" if times == 100 else headline)
    if times == 100:
        panel.set_ylim(0, 109)


def _mean(row: Row, key: str, times: int) -> float:
    values = row.values(key)
    return times * fmean(values) if values else nan


def _blind(headline: str, suffix: str) -> str:
    """Return the name of what the headline, or a kind of it, is without pictures."""
    return f"{BLIND}_{headline}{suffix}" if suffix else BLIND
