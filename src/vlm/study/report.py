"""A sweep turned into a table of what differs and what came out, and a picture of it."""

import os
from dataclasses import asdict
from pathlib import Path

from vlm.run.folder import write_json
from vlm.study.outcome import Outcome
from vlm.study.sweep import read_cells

BLIND = "blind"
BAR_INCHES = 0.26
"""Wide enough for the number above it."""


def write_report(sweep: Path, output: Path) -> str:
    """Write `report.md`, `report.json` and `report.png`; return the table.

    Args:
        sweep: Folder of the sweep.
        output: Folder to write in.

    Raises:
        ValueError: The sweep has no cell.
    """
    cells = read_cells(sweep)
    table = "\n".join([*_table(cells), *_failures(cells)])
    keys = ("overrides", "run_folders", "metrics", "seconds", "error")
    write_json(
        output / "report.json",
        {"name": sweep.name, "cells": [{key: asdict(cell)[key] for key in keys} for cell in cells]},
    )
    scored = [cell for cell in cells if cell.metrics]
    picture = []
    if scored:
        _plot(scored, output / "report.png")
        picture = ["", "![accuracy by kind of question](report.png)"]
    (output / "report.md").write_text("\n".join([f"# {sweep.name}", "", table, *picture, ""]))
    return table


def labels(cells: list[Outcome]) -> list[str]:
    """Return what tells each cell from the others: the overrides that not all of them share."""
    shared = set.intersection(*(set(cell.overrides) for cell in cells)) if len(cells) > 1 else set()
    return [" ".join(word for word in cell.overrides if word not in shared) or "default" for cell in cells]


def _benchmarks(cells: list[Outcome]) -> dict[str, str]:
    """Return each benchmark's headline."""
    return dict(sorted({name: metric for cell in cells for name, metric in cell.headlines.items()}.items()))


def _kinds(cells: list[Outcome], benchmark: str, headline: str) -> list[str]:
    """Return what its headline is split into."""
    prefix = f"benchmark/{benchmark}/{headline}/"
    return sorted(
        {key.removeprefix(prefix) for cell in cells for key in cell.metrics if key.startswith(prefix)}
    )


def _table(cells: list[Outcome]) -> list[str]:
    """Markdown: one row a cell, accuracies in per cent."""
    columns: list[tuple[str, str]] = []
    for benchmark, headline in _benchmarks(cells).items():
        prefix = f"benchmark/{benchmark}"
        columns += [(benchmark, f"{prefix}/{headline}"), (BLIND, f"{prefix}/{BLIND}")]
        columns += [(kind, f"{prefix}/{headline}/{kind}") for kind in _kinds(cells, benchmark, headline)]
    header = ["cell", *(title for title, _ in columns), "seconds"]
    rows = [
        [label, *(_percent(cell.metrics.get(key)) for _, key in columns), f"{cell.seconds:.0f}"]
        for label, cell in zip(labels(cells), cells, strict=True)
    ]
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    lines = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in [header, *rows]]
    lines.insert(1, ["-" * width for width in widths])
    return [f"| {' | '.join(line)} |" for line in lines]


def _percent(score: float | None) -> str:
    return "-" if score is None else f"{100 * score:.1f}"


def _failures(cells: list[Outcome]) -> list[str]:
    lines = [f"- {' '.join(cell.overrides)} failed: {cell.error}" for cell in cells if cell.error]
    return ["", *lines] if lines else []


def _plot(cells: list[Outcome], path: Path) -> None:
    """Bars of accuracy by kind for each cell; a tick across each bar is the blind control."""
    os.environ.setdefault("MPLBACKEND", "Agg")
    from matplotlib import pyplot  # noqa: PLC0415 (a second to import)

    benchmarks = _benchmarks(cells)
    num_bars = len(cells) * max(1 + len(_kinds(cells, *one)) for one in benchmarks.items())
    inches = min(max(8.0, BAR_INCHES * num_bars), 40.0)
    figure, rows = pyplot.subplots(
        len(benchmarks), 1, figsize=(inches, 3.8 * len(benchmarks)), squeeze=False, layout="constrained"
    )
    width = 0.8 / len(cells)
    for axes, (benchmark, headline) in zip(rows[:, 0], benchmarks.items(), strict=True):
        kinds = ["", *(f"/{kind}" for kind in _kinds(cells, benchmark, headline))]
        names = [name for kind in kinds for name in (headline + kind, _blind(headline, kind))]
        for number, (label, cell) in enumerate(zip(labels(cells), cells, strict=True)):
            places = [column + (number - (len(cells) - 1) / 2) * width for column in range(len(kinds))]
            shares = {key: 100 * cell.metrics.get(f"benchmark/{benchmark}/{key}", 0.0) for key in names}
            seeing, blind = ([shares[name] for name in half] for half in (names[::2], names[1::2]))
            bars = axes.bar(places, seeing, 0.92 * width, label=label)
            axes.bar_label(bars, fmt="%.0f", fontsize=min(8.0, 24 * inches / num_bars), padding=1)
            control = "without pictures" if number == len(cells) - 1 else None
            axes.hlines(
                blind,
                [x - width / 2 for x in places],
                [x + width / 2 for x in places],
                "black",
                label=control,
            )
        axes.set_xticks(range(len(kinds)), ["all", *(kind.removeprefix("/") for kind in kinds[1:])])
        axes.set(title=benchmark, ylabel=f"{headline} (%)", ylim=(0, 109))
        axes.spines[["top", "right"]].set_visible(False)
    handles, names = rows[0, 0].get_legend_handles_labels()
    columns = max(1, int(10 * inches / (max(map(len, names)) + 8)))
    figure.legend(handles, names, ncols=columns, loc="outside lower center", frameon=False)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def _blind(headline: str, kind: str) -> str:
    """Return the name of what the headline, or a kind of it, is without pictures."""
    return f"{BLIND}_{headline}{kind}" if kind else BLIND
