"""A sweep turned into a table of what differs and what came out, which says what of it is real."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vlm.run.folder import write_json
from vlm.study.comparison.answered import Answered, Scorers, read_answered
from vlm.study.comparison.compare import RULE, Findings, compare
from vlm.study.comparison.costs import Cost, read_costs
from vlm.study.comparison.held_equal import HeldEqual, read_held_equal
from vlm.study.comparison.layout import differences_table, kinds_table, scores_table
from vlm.study.comparison.rows import Row, axes, benchmarks, choose_baselines, fold, kinds, labels, scale
from vlm.study.comparison.shared import SharedStage, read_shared
from vlm.study.outcome import Outcome
from vlm.study.sweep import read_cells
from vlm.study.tables import Table, to_latex, to_markdown

__all__ = ["Report", "labels", "make_report", "write_report"]

KEPT = ("overrides", "run_folders", "metrics", "seconds", "error")
"""Of each cell, in the JSON."""


@dataclass(frozen=True)
class Report:
    """What was written.

    Args:
        text: Its tables, for the terminal.
        notes: What could not be done, and why.
        files: All of it.
    """

    text: str
    notes: list[str]
    files: list[Path]


def write_report(sweep: Path, output: Path, baseline: str | None = None) -> str:
    """Write the report; return its tables. See `make_report`."""
    return make_report(sweep, output, baseline).text


def make_report(sweep: Path, output: Path, baseline: str | None = None) -> Report:
    """Write `report.md`, `report.tex`, `report.json` and pictures.

    Args:
        sweep: Folder of the sweep.
        output: Folder to write in.
        baseline: Words of the cell that others are compared with; None is the first.

    Raises:
        ValueError: The sweep has no cell, or none says the baseline's words.
    """
    from vlm.study.plots.draw import draw_all  # noqa: PLC0415 (matplotlib takes a second)

    cells = read_cells(sweep)
    rows, headlines = fold(cells), benchmarks(cells)
    baselines = choose_baselines(rows, baseline)
    findings = compare(rows, baselines, _answers(sweep, cells, headlines) if baselines else {})
    costs = read_costs(sweep, rows)
    equal, shared = read_held_equal(sweep, rows), read_shared(sweep, cells)
    scales = {name: scale(cells, name, headline) for name, headline in headlines.items()}
    scores, differences = scores_table(rows, cells, headlines, findings), differences_table(findings, scales)
    output.mkdir(parents=True, exist_ok=True)
    drawn = draw_all(sweep, cells, rows, headlines, findings, costs, output)

    table = [*to_markdown(scores), *_failures(cells)]
    text = [*table, *(["", *to_markdown(differences)] if findings.comparisons else [])]
    pages = [f"# {sweep.name}", "", *table, *_differences(findings, differences), *_notes(findings)]
    pages += _section("What was held equal", equal.lines())
    pages += _section("Shared stages", list(map(str, shared)))
    for name, headline in headlines.items() if len(headlines) > 1 else ():
        if kinds(cells, name, headline):
            pages += ["", f"## {name}", "", *to_markdown(kinds_table(rows, cells, name, headline))]
    for picture in drawn:
        pages += ["", f"![{picture.caption}]({picture.path.name})"]
    (output / "report.md").write_text("\n".join([*pages, ""]), "utf-8")
    (output / "report.tex").write_text(_latex(sweep.name, scores, differences, findings), "utf-8")
    write_json(output / "report.json", _as_json(sweep.name, cells, rows, findings, costs, equal, shared))
    files = [output / f"report.{kind}" for kind in ("md", "tex", "json")]
    return Report("\n".join(text), findings.notes, [*files, *(picture.path for picture in drawn)])


def _answers(
    sweep: Path, cells: Sequence[Outcome], headlines: dict[str, str]
) -> dict[str, dict[int, Answered | str]]:
    """Return what is known of each benchmark's answers, by the number of the cell."""
    found: dict[str, dict[int, Answered | str]] = {name: {} for name in headlines}
    scorers = Scorers(cells)
    for number, cell in enumerate(cells):
        for name, answered in read_answered(sweep, cell, scorers).items():
            found[name][number] = answered
    return found


def _failures(cells: Sequence[Outcome]) -> list[str]:
    lines = [f"- {' '.join(cell.overrides)} failed: {cell.error}" for cell in cells if cell.error]
    return ["", *lines] if lines else []


def _differences(findings: Findings, table: Table) -> list[str]:
    return ["", "## Differences", "", RULE, "", *to_markdown(table)] if findings.comparisons else []


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return ["", f"## {title}", "", *(f"- {line}" for line in lines)] if lines else []


def _notes(findings: Findings) -> list[str]:
    return ["", *(f"- {note}" for note in findings.notes)] if findings.notes else []


def _latex(name: str, scores: Table, differences: Table, findings: Findings) -> str:
    lines = ["% Needs \\usepackage{booktabs}.", *to_latex(scores, f"Scores of {name}.")]
    if findings.comparisons:
        lines += ["", *to_latex(differences, f"Differences of {name}. {RULE}")]
    return "\n".join([*lines, ""])


def _as_json(
    name: str,
    cells: Sequence[Outcome],
    rows: Sequence[Row],
    findings: Findings,
    costs: Sequence[Cost],
    equal: HeldEqual,
    shared: Sequence[SharedStage],
) -> dict[str, Any]:
    """Return everything that the tables show, unrounded and in the metrics' own units."""
    return {
        "name": name,
        "cells": [{key: asdict(cell)[key] for key in KEPT} for cell in cells],
        "axes": axes(rows),
        "rows": [
            {
                "label": row.label,
                "cells": list(row.numbers),
                **{cost.name: cost.values[number] for cost in costs},
            }
            for number, row in enumerate(rows)
        ],
        "held_equal": asdict(equal),
        "shared_stages": list(map(asdict, shared)),
        "rule": RULE,
        "comparisons": [
            asdict(comparison)
            | {
                "seed_interval": comparison.seed_interval,
                "is_real": comparison.is_real,
                "verdict": comparison.verdict,
            }
            for comparison in findings.comparisons
        ],
        "noise": {benchmark: asdict(noise) for benchmark, noise in findings.noise.items()},
        "notes": findings.notes,
    }
