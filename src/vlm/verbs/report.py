"""vlm report: say what a sweep found, and which of it is real.

vlm report name=SWEEP [baseline="projector=linear"] [runs=runs] [output=reports/SWEEP] [record=false]

Rows are what differs between cells; cells that differ in `seed` only are one row, with mean and spread.
Every row is compared with the first, or with the one that says the baseline's words; in a grid, with the one
that says them and else the same; baseline=previous compares each with the one before. A difference is real,
and set in bold, if its p, adjusted by Holm's method over the whole table, is below 0.05 and it exceeds the
noise floor that repeated seeds give; everything else is said to be inside the noise. Tests are paired by
question.

Written are report.md, report.tex (for booktabs), report.json and pictures: scores by kind of question, along
each axis, of a grid of two axes as a map, against training FLOPs and visual tokens with the Pareto front, and
each source's loss. The tracker's run of the sweep keeps them, too, unless record=false.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vlm.options import MISSING, parse_options


@dataclass
class Report:
    """`vlm report`."""

    name: str = MISSING
    baseline: str | None = None
    runs: str = "runs"
    output: str | None = None
    record: bool = True


def run(words: Sequence[str]) -> int:
    """Write the report, print its tables, and have the tracker keep it."""
    options = parse_options(Report, words)
    from vlm.study.comparison.record import record  # noqa: PLC0415 (numpy and scipy)
    from vlm.study.report import make_report  # noqa: PLC0415

    sweep = Path(options.runs) / "sweeps" / options.name
    output = Path(options.output or Path("reports") / options.name)
    report = make_report(sweep, output, options.baseline)
    print(report.text)
    for note in report.notes:
        print(f"note: {note}")
    print(f"written: {output}/{', '.join(file.name for file in report.files)}")
    if options.record:
        try:
            record(sweep, report.files)
        except ValueError as error:  # the report is there all the same
            print(f"note: {error}")
    return 0
