"""What each source's loss was while rows trained."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from vlm.run.folder import RunFolder
from vlm.run.trace import read_trace
from vlm.study.plots.points import MOST_IN_LEGEND, add_legend, new_figure, save

MOST_POINTS = 100
"""Of a curve; steps between are averaged."""

Curve = list[tuple[float, float]]
"""Steps and losses (nats per token)."""


def read_curves(run: Path) -> dict[str, Curve]:
    """Return the loss of each source by step, as the run's trace has it; none if it has no trace.

    Args:
        run: Its folder.

    Raises:
        ValueError: The trace is damaged.
    """
    record = read_trace(RunFolder(run).trace)
    curves: dict[str, Curve] = {}
    for step, line in sorted(record.steps.items() if record else ()):
        for source, loss in line.get("losses", {}).items():  # a trace of one source may name none
            if loss is not None:
                curves.setdefault(source, []).append((float(step), float(loss)))
    return {source: _thinned(curve) for source, curve in curves.items()}


def _thinned(curve: Curve) -> Curve:
    """Return the means of as many neighbours as it takes."""
    size = -(-len(curve) // MOST_POINTS)
    portions = [np.asarray(curve[first : first + size]) for first in range(0, len(curve), size)]
    return [(float(portion[:, 0].mean()), float(portion[:, 1].mean())) for portion in portions]


def draw_losses(curves: Mapping[str, Mapping[str, Curve]], path: Path) -> Path:
    """Draw a panel for each source, a line for each run.

    Args:
        curves: Of each run by its label, those of its sources.
        path: To write to.
    """
    sources = sorted({source for of_run in curves.values() for source in of_run})
    columns = min(len(sources), 3)
    lines = -(-len(sources) // columns)
    width = 4.6 if columns > 1 else 6.4
    figure, panels = new_figure(lines, columns, width, 3.2)
    for panel in list(panels.flat)[len(sources) :]:
        panel.set_visible(False)
    for panel, source in zip(panels.flat, sources, strict=False):
        for number, (label, of_run) in enumerate(curves.items()):
            steps, losses = zip(*of_run.get(source, []), strict=True) if of_run.get(source) else ([], [])
            named = label if len(curves) <= 2 * MOST_IN_LEGEND else None
            panel.plot(steps, losses, "-" if number < 10 else "--", color=f"C{number % 10}", label=named)
        panel.set(title=source, xlabel="step", ylabel="loss (nats per token)")
    add_legend(figure, panels)
    return save(figure, path)
