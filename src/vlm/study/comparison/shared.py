"""What a sweep did not train again: stages that several of its cells start from, or end in."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vlm.study.comparison.costs import read_manifests
from vlm.study.outcome import Outcome

MINUTE, HOUR = 60, 3600


@dataclass(frozen=True)
class SharedStage:
    """The runs of one stage of a sweep.

    Args:
        name: Of the stage.
        trained: How many runs there are.
        used: By how many cells.
        seconds: Of training that was not done again.
    """

    name: str
    trained: int
    used: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.name} was trained {_times(self.trained)} and used by {self.used} cells; "
            f"{_duration(self.seconds)} of training were not done again"
        )


def read_shared(sweep: Path, cells: Sequence[Outcome]) -> list[SharedStage]:
    """Return the stages with fewer runs than cells, in the order in which cells train them."""
    uses: dict[str, int] = {}
    seconds: dict[str, float] = {}
    for cell in cells:
        for folder, manifest in zip(cell.run_folders, read_manifests(sweep, cell), strict=True):
            if "seconds" in manifest:  # a run that was deleted tells nothing
                run = Path(folder).name
                uses[run] = uses.get(run, 0) + 1
                seconds[run] = manifest["seconds"]
    stages: dict[str, list[str]] = {}
    for run in uses:
        stages.setdefault(run.rpartition("-")[0], []).append(run)
    found = [
        SharedStage(
            name,
            trained=len(runs),
            used=sum(uses[run] for run in runs),
            seconds=sum(seconds[run] * (uses[run] - 1) for run in runs),
        )
        for name, runs in stages.items()
    ]
    return [stage for stage in found if stage.used > stage.trained]


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _duration(seconds: float) -> str:
    """Return `40 s`, `12 min` or `3.4 h`."""
    if round(seconds) < MINUTE:
        return f"{seconds:.0f} s"
    return f"{seconds / MINUTE:.0f} min" if seconds < HOUR else f"{seconds / HOUR:.1f} h"
