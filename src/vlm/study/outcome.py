"""What came of one cell of a sweep, or of one sentence: a small file that reports are made from."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from vlm.run.folder import write_json
from vlm.sentence import PlannedStage

OUTCOME = "outcome.json"


def seconds_of(planned: PlannedStage, scores: Sequence[Mapping[str, Any]]) -> float:
    """Return what stages, short trainings before them, and scores took when they were first done."""
    stages = [stage.folder for stage in planned.lineage()]
    short = [run for folder in stages for run in folder.short_runs() if run.is_finished]
    trained = sum(folder.read_manifest()["seconds"] for folder in (*stages, *short))
    return round(trained + sum(score["seconds"] for score in scores), 1)


@dataclass
class Outcome:
    """One cell.

    Args:
        overrides: The words that tell it from others.
        run_folders: Of its stages, innermost first.
        metrics: `benchmark/<name>/<metric>`, and of the last stage `validation/<source>/loss`.
        headlines: Of each benchmark, the metric that models are compared by.
        seconds: Spent on its stages and evaluation when they were first done.
        tracking_run: Where the tracker has it; None if it has not been recorded.
        error: What went wrong, if something did.
        evaluations: Of each benchmark, the file of its score within the outermost run folder.
    """

    overrides: list[str]
    run_folders: list[str] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)
    headlines: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    tracking_run: str | None = None
    error: str | None = None
    evaluations: dict[str, str] = field(default_factory=dict)

    def value(self, objective: str | None) -> float | None:
        """Return what a search goes by; None if nothing is asked.

        Args:
            objective: A metric; None is the mean of all headlines.

        Raises:
            ValueError: There is no such metric.
        """
        if objective is None:
            keys = [f"benchmark/{name}/{metric}" for name, metric in self.headlines.items()]
            scores = [self.metrics[key] for key in keys if key in self.metrics]  # answers may be withheld
            return fmean(scores) if scores else None
        if objective not in self.metrics:
            known = ", ".join(sorted(self.metrics)) or "none"
            raise ValueError(f"objective={objective} is no metric of {' '.join(self.overrides)}: {known}")
        return self.metrics[objective]

    def write(self, cell: Path) -> None:
        """Write into the cell's folder."""
        write_json(cell / OUTCOME, asdict(self))

    @classmethod
    def read(cls, cell: Path) -> "Outcome | None":
        """Read from the cell's folder; None if nothing is there."""
        path = cell / OUTCOME
        return cls(**json.loads(path.read_text())) if path.is_file() else None
