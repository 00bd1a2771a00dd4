"""A tracker keeps what runs say of themselves, so that they can be compared."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger

from vlm.tracking.view import View


class Tracker(ABC):
    """The contract of every tracker; a run is known by the string that `start` returns."""

    @abstractmethod
    def start(
        self,
        experiment: str,
        name: str,
        parent: str | None,
        tags: Mapping[str, str],
        params: Mapping[str, Any],
        description: str = "",
    ) -> str:
        """Open a run, as a child of `parent` if there is one; the description is Markdown."""

    @abstractmethod
    def describe(self, experiment: str, question: str) -> None:
        """Say what an experiment's runs are to answer, in Markdown."""

    @abstractmethod
    def keep_view(self, experiment: str, view: View) -> str | None:
        """Keep a way to look at an experiment's runs, in the place of an earlier one of the same key.

        Returns:
            The address where a browser shows it; None if there is none.
        """

    @abstractmethod
    def log_metrics(self, run: str, metrics: Mapping[str, float]) -> None:
        """Record final figures."""

    @abstractmethod
    def log_artifact(self, run: str, path: Path) -> None:
        """Keep a file, or a folder's files."""

    @abstractmethod
    def log_table(self, run: str, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Keep a table; a PIL image in a cell is shown as a picture."""

    @abstractmethod
    def tags(self, run: str) -> Mapping[str, str]:
        """Return what a run was tagged with.

        Raises:
            ValueError: There is no such run.
        """

    @abstractmethod
    def finish(self, run: str, succeeded: bool) -> None:
        """Close a run."""

    @abstractmethod
    def logger(self, run: str) -> Logger | None:
        """Return a Lightning logger that writes into the run."""
