"""What a cell of a sweep takes beyond its training: process start, imports, compose, MLflow.

    .venv/bin/python benchmarks/cell_overhead.py

Runs a sweep of three cells of a few steps each, recorded in a MLflow store of its own, and then again, when
all is known. Overhead is a cell's wall clock, from the start of its process to its end, without the seconds
that its runs' manifests give for training (from the building of the model on) and its scores for asking. The
sweep's own start is told apart.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import median

from vlm.corpus.shapes.world import make_world

CELLS = 3
TARGET = 15.0
"""Seconds on two cores."""
LIBRARIES = ("torch", "transformers", "lightning", "mlflow", "open_clip", "peft", "torchmetrics", "pandas",
             "sqlalchemy", "scipy", "hydra", "vlm")  # fmt: skip


def words(folder: Path) -> list[str]:
    """Return a sentence of two small stages and twenty questions."""
    return [
        f"paths.data={folder}/data", f"paths.runs={folder}/runs", f"paths.cache={folder}/cache",
        "stage.batch_size=4", "stage.after.batch_size=4", "trainer.max_steps=4", "trainer.num_threads=1",
        "evaluation.questions=20",
    ]  # fmt: skip


def sweep(folder: Path) -> tuple[float, list[tuple[float, str]]]:
    """Return the seconds until the sweep's end, and when each line was said; cells say that they start."""
    seeds = ",".join(map(str, range(1, CELLS + 1)))
    command = [sys.executable, "-u", "-m", "vlm", "train", "-m", f"seed={seeds}", *words(folder)]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    said = [(time.perf_counter() - started, line.rstrip()) for line in process.stdout]
    if process.wait():
        raise SystemExit("the sweep failed")
    return time.perf_counter() - started, said


def walls(total: float, said: list[tuple[float, str]]) -> tuple[float, list[float]]:
    """Return the seconds before the first cell, and those of each cell."""
    starts = [at for at, line in said if re.match(r"cell \d+: ", line)]
    ends = [*starts[1:], total]
    return starts[0], [end - start for start, end in zip(starts, ends, strict=True)]


def spent(folder: Path) -> list[float]:
    """Return what each cell took for training and asking, as its files say."""
    sweeps = folder / "runs/sweeps/default"
    outcomes = [json.loads((sweeps / f"{number}/outcome.json").read_text()) for number in range(CELLS)]
    return [float(outcome["seconds"]) for outcome in outcomes]


def imports(folder: Path) -> dict[str, float]:
    """Return what a known library's modules take to load in a cell's process, each counted once (seconds)."""
    command = [sys.executable, "-X", "importtime", "-c", "import vlm.study.cell"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stderr.splitlines()
    taken: dict[str, float] = defaultdict(float)
    for line in lines:
        found = re.match(r"import time:\s+(\d+) \|\s+\d+ \|\s+([\w.]+)", line)
        if found:
            name = found[2].partition(".")[0]
            taken[name if name in LIBRARIES else "others"] += int(found[1]) / 1e6
    return dict(sorted(taken.items(), key=lambda item: -item[1]))


def main() -> None:
    """Print what a fresh and a known cell take beyond training, and what loads."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_world(folder / "data/shapes", seed=7, scale=0.02)
        before, fresh = walls(*sweep(folder))
        trained = spent(folder)
        again, known = walls(*sweep(folder))
        loaded = imports(folder)
    beyond = [wall - seconds for wall, seconds in zip(fresh, trained, strict=True)]
    print(f"{os.cpu_count()} cores; {CELLS} cells of 2 stages of 4 steps and 20 questions")
    print(f"sweep, before its first cell     {before:6.1f} s (makes the MLflow store); again {again:.1f} s")
    for number, (wall, seconds) in enumerate(zip(fresh, trained, strict=True)):
        beside = f"training and asking {seconds:.1f} s, beyond {wall - seconds:.1f} s"
        print(f"cell {number}:                          {wall:6.1f} s, {beside}")
    print(f"overhead of a cell               {median(beyond):6.1f} s (target {TARGET:.0f} s)")
    print(f"a cell of which all is known     {median(known):6.1f} s")
    print("of it, to load " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in loaded.items()))
    if median(beyond) > TARGET:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
