"""What a person sees while it trains: loss, tokens per second, time left."""

import sys
import time
from typing import Any

import lightning
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from vlm import ranks
from vlm.data.steps import Step
from vlm.training.callback import TaskCallback
from vlm.training.task import Task

PLAIN_EVERY_SECONDS = 15.0  # between lines where the output is no terminal
SMOOTHING = 0.9  # of the shown rate


class ProgressBar(TaskCallback):
    """Show a bar in a terminal, a line now and then elsewhere.

    Args:
        title: Of the stage.
    """

    def __init__(self, title: str) -> None:
        self.title, self.num_steps = title, 0
        self._tokens_per_second = 0.0
        self._step_started = self._last_line = self._started = time.monotonic()
        self._first_step = 0
        self._bar: Progress | None = None

    def before_first_step(self, trainer: lightning.Trainer, task: Task) -> None:
        """Open the bar at the step where the run goes on."""
        self._step_started = self._started = time.monotonic()
        self._first_step, self.num_steps = task.step, task.plan.num_steps
        if sys.stdout.isatty():
            columns = (
                TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
                TextColumn("{task.fields[figures]}"), TimeRemainingColumn(),
            )  # fmt: skip
            self._bar = Progress(*columns)
            self._bar.add_task(self.title, total=self.num_steps, completed=self._first_step, figures="")
            self._bar.start()

    def after_step(self, trainer: lightning.Trainer, task: Task, step: Step) -> None:
        """Show the step's figures."""
        now = time.monotonic()
        num_tokens = sum(len(row.ids) for row in step.rows) * ranks.world_size()  # as many elsewhere, about
        rate = num_tokens / (now - self._step_started)
        self._step_started = now
        smooth = SMOOTHING if self._tokens_per_second else 0.0
        self._tokens_per_second = smooth * self._tokens_per_second + (1 - smooth) * rate
        figures = f"loss {task.metrics['train/loss']:.3f}  {self._tokens_per_second:,.0f} tokens/s"
        done = task.step
        if self._bar:
            self._bar.update(self._bar.task_ids[0], completed=done, figures=figures)
        elif now - self._last_line > PLAIN_EVERY_SECONDS or done == self.num_steps:
            left = (self.num_steps - done) * (now - self._started) / max(1, done - self._first_step)
            print(f"{self.title}  {done}/{self.num_steps}  {figures}  {left:.0f} s left", flush=True)
            self._last_line = now

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Close the bar."""
        self._close()

    def on_exception(self, *_: Any) -> None:
        """Close the bar."""
        self._close()

    def _close(self) -> None:
        if self._bar:
            self._bar.stop()
