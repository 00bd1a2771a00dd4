"""No tracker: the run folder is the only record."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vlm.tracking.base import Tracker
from vlm.tracking.view import View


class NoTracker(Tracker):
    """Forget everything."""

    def start(
        self,
        experiment: str,
        name: str,
        parent: str | None,
        tags: Mapping[str, str],
        params: Mapping[str, Any],
        description: str = "",
    ) -> str:
        """Return an empty name."""
        return ""

    def describe(self, experiment: str, question: str) -> None:
        """Forget."""

    def keep_view(self, experiment: str, view: View) -> None:
        """Forget; there is nothing to look at."""

    def log_metrics(self, run: str, metrics: Mapping[str, float]) -> None:
        """Forget."""

    def log_artifact(self, run: str, path: Path) -> None:
        """Forget."""

    def log_table(self, run: str, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Forget."""

    def tags(self, run: str) -> Mapping[str, str]:
        """Refuse: nothing was kept."""
        raise ValueError(f"tracking=none keeps no run {run}; say tracking=mlflow, or name a folder")

    def finish(self, run: str, succeeded: bool) -> None:
        """Forget."""

    def logger(self, run: str) -> None:
        """Return nothing."""
