"""What looks at a task's steps from outside; Lightning's hooks, with our names and types."""

from typing import Any

import lightning

from vlm.data.steps import Step
from vlm.training.task import Task


class TaskCallback(lightning.Callback):
    """The contract of every callback; each hook does nothing unless it is overridden."""

    def before_first_step(self, trainer: lightning.Trainer, task: Task) -> None:
        """Training begins, or goes on."""

    def before_step(self, task: Task, step: Step) -> None:
        """A step's rows lie on the device."""

    def before_optimizer(self, task: Task) -> None:
        """The step's loss is noted, and its gradients are whole."""

    def after_step(self, trainer: lightning.Trainer, task: Task, step: Step) -> None:
        """The optimizer has stepped."""

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Lightning's; see `before_first_step`."""
        self.before_first_step(trainer, _task(pl_module))

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, batch: Step, batch_idx: int
    ) -> None:
        """Lightning's; see `before_step`."""
        self.before_step(_task(pl_module), batch)

    def on_before_optimizer_step(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, optimizer: Any
    ) -> None:
        """Lightning's; see `before_optimizer`."""
        self.before_optimizer(_task(pl_module))

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Step,
        batch_idx: int,
    ) -> None:
        """Lightning's; see `after_step`."""
        self.after_step(trainer, _task(pl_module), batch)


def _task(module: lightning.LightningModule) -> Task:
    assert isinstance(module, Task)
    return module


def is_time(task: Task, every: int, ahead: int = 0) -> bool:
    """Whether the step that is just done, or one so far ahead, is to be recorded."""
    step = task.step + ahead
    return step % every == 0 or step == task.plan.num_steps
