"""Cells of a sweep in this process, without a start for each; and a Slurm of three scripts."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra

from vlm.cli import main
from vlm.compose import compose_sentence
from vlm.sentence import read_sentence
from vlm.study.outcome import Outcome
from vlm.study.scores import plan_evaluations

SLURM = {
    "sbatch": """
script="${@: -1}"
cp "$script" "$(dirname "$0")/submitted.sh"
last=$(sed -n 's/^#SBATCH --array=0-\\([0-9]*\\)%.*/\\1/p' "$script")
for task in $(seq 0 "${last:-0}"); do
  env ${last:+SLURM_ARRAY_JOB_ID=17 SLURM_ARRAY_TASK_ID=$task} SLURM_JOB_ID=17 SLURM_NTASKS=1 \\
    SLURM_JOB_NUM_NODES=1 SLURM_NODEID=0 SLURM_PROCID=0 SLURM_LOCALID=0 SLURM_JOB_NODELIST=here \\
    bash "$script" > /dev/null 2>&1 < /dev/null &
done
echo Submitted batch job 17
""",
    "srun": """
while [[ $1 == -* ]]; do [[ $1 == --unbuffered ]] && shift || shift 2; done
exec "$@"
""",
    "sacct": "echo 'JobID|State|NodeList'; echo '17|RUNNING|here'\n",
}
"""What submitit asks of Slurm: jobs begin at once, here."""


def make_slurm(folder: Path) -> None:
    """Write Slurm's commands."""
    folder.mkdir()
    for name, script in SLURM.items():
        (folder / name).write_text(f"#!/bin/bash\n{script}")
        (folder / name).chmod(0o755)


@contextmanager
def _outside_hydra() -> Iterator[None]:
    """Let a sentence be composed while Hydra runs a sweep, as another process would."""
    kept = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        yield
    finally:
        GlobalHydra.instance().hydra = kept


def _patch(monkeypatch: pytest.MonkeyPatch, run: Callable[[Sequence[str]], tuple[int, str]]) -> None:
    monkeypatch.setattr("vlm.study.sweep.run_process", run)
    monkeypatch.setattr("sys.argv", [])
    for variable in ("HYDRA_FULL_ERROR", "VLM_SWEEP_PROCESS"):
        monkeypatch.setenv(variable, "")


def train_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train every cell in this process."""

    def run(command: Sequence[str]) -> tuple[int, str]:
        with _outside_hydra():
            return main(list(command[3:])), "failed"

    _patch(monkeypatch, run)


def pretend(
    monkeypatch: pytest.MonkeyPatch, score: Callable[[Sequence[str]], float | None]
) -> list[list[str]]:
    """Let cells score what a function of their words says, or fail; return the words of those that ran."""
    ran: list[list[str]] = []

    def run(command: Sequence[str]) -> tuple[int, str]:
        words = [word for word in command[4:] if not word.startswith(("cell=", "parent="))]
        ran.append(words)
        value = score(words)
        if value is None:
            return 2, "vlm: error: made up"
        [cell] = [Path(found[1]) for word in command if (found := re.fullmatch(r"cell='(.*)'", word))]
        with _outside_hydra():
            planned = read_sentence(compose_sentence(words).config)
            evaluations = {known.name: known.path.name for known in plan_evaluations(planned)}
        metrics = {"benchmark/shapes/accuracy": value, "validation/loss": 1 - value}
        Outcome(
            words, [str(planned.folder)], metrics, {"shapes": "accuracy"}, 1.0, "", evaluations=evaluations
        ).write(cell)
        return 0, ""

    _patch(monkeypatch, run)
    return ran
