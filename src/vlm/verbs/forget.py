"""vlm forget: delete a sweep's cells and the runs they trained, so that they are trained again.

  vlm forget name=SWEEP [runs=runs]

What the tracker has recorded stays.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vlm.options import MISSING, parse_options
from vlm.run.folder import RunFolder
from vlm.study.sweep import find_cells


@dataclass
class Forget:
    """`vlm forget`."""

    name: str = MISSING
    runs: str = "runs"


def run(words: Sequence[str]) -> int:
    """Delete, and say what; a sweep that is not there is forgotten already."""
    options = parse_options(Forget, words)
    sweep = Path(options.runs) / "sweeps" / options.name
    if not sweep.is_dir():
        print(f"{sweep} is not there; nothing to forget")
        return 0
    runs = {folder for cell in find_cells(sweep) for folder in cell.run_folders}
    finished = [run for run in map(RunFolder, map(Path, runs)) if run.is_finished]
    short = {run.path for folder in finished for run in folder.short_runs()}
    for folder in (*sorted({*map(Path, runs), *short}), sweep):
        shutil.rmtree(folder, ignore_errors=True)
        print(f"deleted {folder}")
    return 0
