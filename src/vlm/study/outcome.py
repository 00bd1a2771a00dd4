"""What came of one cell of a sweep, or of one sentence: a small file that reports are made from."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from vlm.run.folder import write_json

OUTCOME = "outcome.json"


@dataclass
class Outcome:
    """One cell.

    Args:
        overrides: The words that tell it from others.
        run_folders: Of its stages, innermost first.
        metrics: `benchmark/<name>/<metric>`.
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

    def write(self, cell: Path) -> None:
        """Write into the cell's folder."""
        write_json(cell / OUTCOME, asdict(self))

    @classmethod
    def read(cls, cell: Path) -> "Outcome | None":
        """Read from the cell's folder; None if nothing is there."""
        path = cell / OUTCOME
        return cls(**json.loads(path.read_text())) if path.is_file() else None
