"""A sweep: every combination of the axes, each in a process of its own.

Hydra expands the grid, or Optuna chooses, and a launcher calls `run_cell`, which trains nothing itself: each
cell is a fresh `vlm train`, so a cell that fails, or leaves its device in disorder, harms no other.
"""

import os
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import hydra
import psutil
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig

from vlm import ranks
from vlm.compose import Sentence, compose_sentence, spell_out
from vlm.paths import config_dir
from vlm.run.folder import RunFolder
from vlm.signals import INTERRUPTED, PREEMPTED, hearing
from vlm.study.cell_process import (
    CELL,
    SWEEP_PROCESS,
    follow_sweep,
    run_process,
    stop_cells,
    was_stopped,
    why_failed,
)
from vlm.study.outcome import OUTCOME, Outcome
from vlm.study.swept import SWEEP, Swept, axes_of, record_sweep

HALT = ".halt"
"""While it is in the sweep's folder, no further cell begins."""


def sweep(overrides: Sequence[str]) -> int:
    """Run every cell; return 0 if all succeeded, 1 if some failed, else that it was stopped.

    A sweep that is run again reuses what is finished and goes on with the rest.
    """
    overrides = spell_out(overrides)
    parsed = OverridesParser.create().parse_overrides(overrides)
    fixed = [
        word for word, override in zip(overrides, parsed, strict=True) if not override.is_sweep_override()
    ]
    sentence = compose_sentence(fixed)
    folder = Path(sentence.config.paths.runs) / "sweeps" / sentence.config.name
    with RunFolder(folder).lock():
        _open(folder, sentence, overrides, axes_of(sentence, parsed))
        stopped_by = _launch(folder, overrides)
        if stopped_by is None:
            return _close(folder)
    print("the sweep was stopped; the same command goes on from there", flush=True)
    return INTERRUPTED if stopped_by == signal.SIGINT else PREEMPTED


def _launch(folder: Path, overrides: list[str]) -> int | None:
    """Let Hydra run the cells; return the signal that stopped it, if one did."""
    heard: list[int] = []

    def ask_to_stop(number: int) -> None:
        heard.append(number)
        if not psutil.Process().children():  # nothing runs here, or it has stopped; a queue's jobs may go on
            raise KeyboardInterrupt
        (folder / HALT).touch()
        stop_cells(number)

    os.environ["HYDRA_FULL_ERROR"] = "1"  # let errors through: the command line prints them in one line
    os.environ[SWEEP_PROCESS] = str(os.getpid())
    sys.argv = ["vlm", *overrides, "--multirun"]
    try:
        with hearing(ask_to_stop, then_as_before=True):
            hydra.main(version_base="1.3", config_path=str(config_dir()), config_name="config")(run_cell)()
    except (Exception, KeyboardInterrupt):
        if not heard:
            raise
    return heard[-1] if heard else None


def run_cell(config: DictConfig) -> float | None:
    """Train one cell in a fresh process, and keep its error if it fails; return what a search goes by."""
    job = HydraConfig.get()
    cell, overrides = Path(job.runtime.output_dir), list(job.overrides.task)
    follow_sweep()
    if (cell.parent / HALT).exists():
        raise KeyboardInterrupt
    swept = Swept.read(cell.parent)
    words = [*overrides, f"{CELL}'{cell}'", f"parent={(swept and swept.parent) or 'null'}"]
    print(f"cell {cell.name}: {' '.join(overrides)}", flush=True)
    status, said = run_process([sys.executable, "-m", "vlm", "train", *words])
    sys.stderr.write(said)
    if was_stopped(status):
        raise KeyboardInterrupt
    if status:
        if not ranks.node():
            Outcome(overrides, error=why_failed(status, said)).write(cell)
        return None
    outcome = Outcome.read(cell)
    return outcome.value(config.objective) if outcome else None


def find_cells(folder: Path) -> list[Outcome]:
    """Return the outcomes of a sweep's cells, in their order; none if no cell has come to an end."""
    cells = sorted((path.parent for path in folder.glob(f"*/{OUTCOME}")), key=lambda cell: int(cell.name))
    return [outcome for outcome in map(Outcome.read, cells) if outcome]


def read_cells(folder: Path) -> list[Outcome]:
    """Return the outcomes of a sweep's cells, in their order.

    Raises:
        ValueError: The folder is no sweep's, or has no cell.
    """
    outcomes = find_cells(folder)
    if not outcomes:
        raise ValueError(f"{folder} holds no cells of a sweep; run one first: vlm train -m WORDS")
    return outcomes


def _open(folder: Path, sentence: Sentence, overrides: Sequence[str], axes: Sequence[str]) -> None:
    """Give the sweep its run in the tracker, once, and note by the file's time when it began."""
    (folder / HALT).unlink(missing_ok=True)
    known = Swept.read(folder)
    if known is None or known.axes != axes:
        known = record_sweep(sentence, overrides, axes, known)
    known.write(folder)
    if known.address:
        print(f"compare its cells in a browser (make ui): {known.address}", flush=True)


def _close(folder: Path) -> int:
    """Forget cells of an earlier, larger grid; say what failed."""
    began = (folder / SWEEP).stat().st_mtime_ns  # by the clock that cells' files are dated by, too
    for outcome in folder.glob(f"*/{OUTCOME}"):
        if outcome.stat().st_mtime_ns < began:
            shutil.rmtree(outcome.parent)
    failed = [cell for cell in read_cells(folder) if cell.error]
    for cell in failed:
        print(f"failed: {' '.join(cell.overrides)}: {cell.error}", file=sys.stderr)
    return 1 if failed else 0
