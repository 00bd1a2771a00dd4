"""What a person sees while it trains: loss, tokens per second, time left."""

import time
from typing import Any

import lightning

from vlm import ranks
from vlm.data.steps import Step
from vlm.progress import ProgressLine
from vlm.training.callback import TaskCallback
from vlm.training.task import Task

SMOOTHING = 0.9  # of the shown rate


class ProgressBar(TaskCallback):
    """Show how far a stage is.

    Args:
        title: Of the stage.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self._tokens_per_second = 0.0
        self._step_started = time.monotonic()
        self._line: ProgressLine | None = None

    def before_first_step(self, trainer: lightning.Trainer, task: Task) -> None:
        """Begin at the step where the run goes on."""
        self._step_started = time.monotonic()
        self._line = ProgressLine(self.title, task.plan.num_steps, task.step)

    def after_step(self, trainer: lightning.Trainer, task: Task, step: Step) -> None:
        """Show the step's figures."""
        assert self._line
        now = time.monotonic()
        num_tokens = sum(len(row.ids) for row in step.rows) * ranks.world_size()  # as many elsewhere, about
        rate = num_tokens / (now - self._step_started)
        self._step_started = now
        smooth = SMOOTHING if self._tokens_per_second else 0.0
        self._tokens_per_second = smooth * self._tokens_per_second + (1 - smooth) * rate
        loss = f"loss {task.metrics['train/loss']:.3f}"
        self._line.show(task.step, f"{loss}  {self._tokens_per_second:,.0f} tokens/s")

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Close the bar."""
        self._close()

    def on_exception(self, *_: Any) -> None:
        """Close the bar."""
        self._close()

    def _close(self) -> None:
        if self._line:
            self._line.close()
