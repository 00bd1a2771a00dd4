"""A sweep: every combination of the axes, each in a process of its own.

Hydra expands the grid and its launcher calls `run_cell`, which trains nothing itself: each cell is a
fresh `vlm train`, so a cell that fails, or leaves its device in disorder, harms no other.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig

from vlm import ranks
from vlm.compose import Sentence, compose_sentence, spell_out
from vlm.paths import config_dir
from vlm.run.folder import write_json
from vlm.signals import STOPPED, hearing
from vlm.study.outcome import OUTCOME, Outcome

SWEEP = "sweep.json"


def sweep(overrides: Sequence[str]) -> int:
    """Run every cell; return 0 if all succeeded.

    A sweep that is run again reuses what is finished and goes on with the rest.
    """
    overrides = spell_out(overrides)
    parsed = OverridesParser.create().parse_overrides(overrides)
    fixed = [
        word for word, override in zip(overrides, parsed, strict=True) if not override.is_sweep_override()
    ]
    sentence = compose_sentence(fixed)
    folder = Path(sentence.config.paths.runs) / "sweeps" / sentence.config.name
    _open(folder, sentence)
    started = time.time()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # let errors through: the command line prints them in one line
    sys.argv = ["vlm", *overrides, "--multirun"]
    hydra.main(version_base="1.3", config_path=str(config_dir()), config_name="config")(run_cell)()
    return _close(folder, started)


def run_cell(config: DictConfig) -> None:
    """Train one cell in a fresh process, and keep its error if it fails."""
    job = HydraConfig.get()
    cell, overrides = Path(job.runtime.output_dir), list(job.overrides.task)
    parent = json.loads((cell.parent / SWEEP).read_text())["parent"]
    words = [*overrides, f"cell='{cell}'", f"parent={parent or 'null'}"]
    print(f"cell {cell.name}: {' '.join(overrides)}", flush=True)
    status, said = _run([sys.executable, "-m", "vlm", "train", *words])
    sys.stderr.write(said)
    if status in STOPPED:
        raise KeyboardInterrupt
    if status and not ranks.node():
        lines = said.strip().splitlines() or [f"exit status {status}"]
        Outcome(overrides, error=lines[-1]).write(cell)


def _run(command: list[str]) -> tuple[int, str]:
    """Return a process's exit status and what it said of errors; it may save when this one is to stop."""
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)

    def ask_to_stop(number: int) -> None:
        process.send_signal(number)
        if number != signal.SIGINT:  # who sent it may end this process next
            process.wait()

    with hearing(ask_to_stop, then_as_before=True):
        _, said = process.communicate()
    return process.returncode, said


def read_cells(folder: Path) -> list[Outcome]:
    """Return the outcomes of a sweep's cells, in their order.

    Raises:
        ValueError: The folder is no sweep's, or has no cell.
    """
    cells = sorted((path.parent for path in folder.glob(f"*/{OUTCOME}")), key=lambda cell: int(cell.name))
    outcomes = [outcome for outcome in map(Outcome.read, cells) if outcome]
    if not outcomes:
        raise ValueError(f"{folder} holds no cells of a sweep; run one first: vlm train -m WORDS")
    return outcomes


def _open(folder: Path, sentence: Sentence) -> None:
    """Give the sweep its run in the tracker, once."""
    path = folder / SWEEP
    if path.is_file():
        return
    from vlm.build import build_tracker  # noqa: PLC0415 (torch and MLflow take seconds)

    tracker = build_tracker(sentence.config)
    name = str(sentence.config.name)
    parent = tracker.start(name, name, None, {"sweep": name}, {})
    tracker.finish(parent, succeeded=True)
    write_json(path, {"parent": parent})


def _close(folder: Path, started: float) -> int:
    """Forget cells of an earlier, larger grid; say what failed."""
    for outcome in folder.glob(f"*/{OUTCOME}"):
        if outcome.stat().st_mtime < started - 1:
            shutil.rmtree(outcome.parent)
    failed = [cell for cell in read_cells(folder) if cell.error]
    for cell in failed:
        print(f"failed: {' '.join(cell.overrides)}: {cell.error}", file=sys.stderr)
    return 1 if failed else 0
