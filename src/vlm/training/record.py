"""What callbacks and the task note of a step goes to the logger, now and then."""

import lightning

from vlm.data.steps import Step
from vlm.training.callback import TaskCallback, is_time
from vlm.training.task import Task


class Recorder(TaskCallback):
    """Write the task's notes every few steps, and those of the last; each source's loss is that of all since.

    Args:
        every: Steps between.
    """

    def __init__(self, every: int) -> None:
        self.every = every

    def after_step(self, trainer: lightning.Trainer, task: Task, step: Step) -> None:
        """Write, if it is time."""
        if not is_time(task, self.every):
            return
        for source, (summed, count) in task.by_source.items():
            if count:
                task.metrics[f"train/loss/{source}"] = summed / count
        task.by_source = {}
        if trainer.logger:
            trainer.logger.log_metrics(task.metrics, step=task.step)
