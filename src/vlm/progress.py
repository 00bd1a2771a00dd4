"""How far something is: a bar in a terminal, a line now and then elsewhere."""

import sys
import time

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LINE_EVERY_SECONDS = 15.0
"""Where the output is no terminal."""


class ProgressLine:
    """Show how much is done, and how long the rest will take.

    Args:
        title: Of what is done.
        total: Of whatever is counted.
        done: Of it, before this began.
    """

    def __init__(self, title: str, total: int, done: int) -> None:
        self.title, self.total, self.first = title, total, done
        self._started = self._last_line = time.monotonic()
        self._bar: Progress | None = None
        if sys.stdout.isatty():
            columns = (
                TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
                TextColumn("{task.fields[figures]}"), TimeRemainingColumn(),
            )  # fmt: skip
            self._bar = Progress(*columns)
            self._bar.add_task(title, total=total, completed=done, figures="")
            self._bar.start()

    def show(self, done: int, figures: str) -> None:
        """Show that so much is done, and what is to be said of it."""
        now = time.monotonic()
        if self._bar:
            self._bar.update(self._bar.task_ids[0], completed=done, figures=figures)
        elif now - self._last_line > LINE_EVERY_SECONDS or done == self.total:
            left = (self.total - done) * (now - self._started) / max(1, done - self.first)
            print(f"{self.title}  {done}/{self.total}  {figures}  {left:.0f} s left", flush=True)
            self._last_line = now

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._bar:
            self._bar.stop()
