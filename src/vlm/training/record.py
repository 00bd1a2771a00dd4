"""What callbacks and the task note of a step goes to the logger, now and then."""

from typing import Any

import lightning

from vlm.training.task import Task


class Recorder(lightning.Callback):
    """Write the task's notes every few steps, and those of the last; each source's loss is that of all since.

    Args:
        every: Steps between.
    """

    def __init__(self, every: int) -> None:
        self.every = every

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *_: Any, **__: Any
    ) -> None:
        """Write, if it is time."""
        assert isinstance(pl_module, Task)
        if not is_time(pl_module, self.every):
            return
        for source, (summed, count) in pl_module.by_source.items():
            if count:
                pl_module.metrics[f"train/loss/{source}"] = summed / count
        pl_module.by_source = {}
        if trainer.logger:
            trainer.logger.log_metrics(pl_module.metrics, step=pl_module.step)


def is_time(task: Task, every: int, ahead: int = 0) -> bool:
    """Whether the step that is just done, or one so far ahead, is to be recorded."""
    step = task.step + ahead
    return step % every == 0 or step == task.plan.num_steps
