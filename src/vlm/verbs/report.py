"""vlm report: turn a sweep into report.md, report.json and report.png.

vlm report name=SWEEP [runs=runs] [output=reports/SWEEP]
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vlm.options import MISSING, parse_options
from vlm.study.report import write_report


@dataclass
class Report:
    """`vlm report`."""

    name: str = MISSING
    runs: str = "runs"
    output: str | None = None


def run(words: Sequence[str]) -> int:
    """Write the report and print its table."""
    options = parse_options(Report, words)
    output = Path(options.output or Path("reports") / options.name)
    print(write_report(Path(options.runs) / "sweeps" / options.name, output))
    print(f"written: {output}/report.md, report.json, report.png")
    return 0
