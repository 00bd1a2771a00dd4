"""What is drawn of a row: its score with an interval, in per cent or points."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from matplotlib.figure import Figure

from vlm.study.comparison.rows import Row, scale
from vlm.study.outcome import Outcome
from vlm.study.statistics.noise import Noise

MARKERS = "osD^vP*X<>"
MOST_IN_LEGEND = 10
"""Lines and points that can be told apart by color."""

LEGEND_INCHES = 0.22
"""Height of a line of names."""


@dataclass(frozen=True)
class Point:
    """A score.

    Args:
        value: Mean over seeds.
        low: End of its 95 % interval: over seeds where there are several, else over pictures.
        high: The other end.
    """

    value: float
    low: float
    high: float

    @property
    def arms(self) -> list[list[float]]:
        """What matplotlib wants: lengths below and above."""
        return [[max(0.0, self.value - self.low)], [max(0.0, self.high - self.value)]]


@dataclass(frozen=True)
class Scores:
    """One benchmark's headline of all rows.

    Args:
        benchmark: Its name.
        headline: Its name.
        unit: In brackets, if it is per cent.
        points: Of each row; None where it has no score.
    """

    benchmark: str
    headline: str
    unit: str
    points: list[Point | None]

    @property
    def title(self) -> str:
        """For an axis."""
        return f"{self.headline}{self.unit}"


def read_scores(
    rows: Sequence[Row], cells: Sequence[Outcome], headlines: Mapping[str, str], noise: Mapping[str, Noise]
) -> list[Scores]:
    """Return the scores of each benchmark."""
    found = []
    for name, headline in headlines.items():
        times = scale(cells, name, headline)
        points = [_point(row, f"benchmark/{name}/{headline}", times, noise.get(name)) for row in rows]
        found.append(Scores(name, headline, " (%)" if times == 100 else "", points))
    return found


def _point(row: Row, key: str, times: int, noise: Noise | None) -> Point | None:
    values = row.values(key)
    if not values:
        return None
    mean = fmean(values)
    ends = [row.values(f"{key}_{end}") for end in ("low", "high")]
    low, high = mean, mean
    if len(values) > 1 and noise:
        low, high = noise.interval(mean, len(values))
    elif len(values) == 1 and all(ends):
        low, high = ends[0][0], ends[1][0]
    if times == 100:  # a t interval knows nothing of where shares end
        low, high = max(low, 0.0), min(high, 1.0)
    return Point(times * mean, times * low, times * high)


def new_figure(num_rows: int, num_columns: int, width: float, height: float) -> tuple[Figure, Any]:
    """Return a figure and its panels, an array of rows and columns; sizes are a panel's, in inches."""
    figure = Figure(figsize=(width * num_columns, height * num_rows), layout="constrained")
    panels = figure.subplots(num_rows, num_columns, squeeze=False)
    for panel in panels.flat:
        panel.spines[["top", "right"]].set_visible(False)
    return figure, panels


def save(figure: Figure, path: Path) -> Path:
    """Write a figure and return its path."""
    figure.savefig(path, dpi=150)
    return path


def add_legend(figure: Figure, panels: Any) -> None:
    """Put all names below the panels, in as many columns as fit, and make the figure so much higher.

    Args:
        figure: All of it.
        panels: That have the names; one that several have stands once.
    """
    named: dict[str, Any] = {}
    for panel in panels.flat:
        for handle, name in zip(*panel.get_legend_handles_labels(), strict=True):
            named.setdefault(name, handle)
    if not named:
        return
    width, height = figure.get_size_inches()
    columns = min(len(named), max(1, int(10 * width / (max(map(len, named)) + 8))))
    figure.set_size_inches(width, height + LEGEND_INCHES * -(-len(named) // columns))
    figure.legend(named.values(), named.keys(), ncols=columns, loc="outside lower center", frameon=False)
