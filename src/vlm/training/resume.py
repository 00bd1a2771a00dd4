"""Going on after a stop: states at intervals, and when somebody asks the run to stop."""

import signal
from contextlib import ExitStack
from typing import Any

import lightning

from vlm import ranks
from vlm.data.steps import Step
from vlm.signals import INTERRUPTED, PREEMPTED, hearing
from vlm.training.callback import TaskCallback
from vlm.training.checkpoint import Checkpoints
from vlm.training.spent import Spent
from vlm.training.task import Task


class StoppedEarly(Exception):  # noqa: N818 (nothing went wrong)
    """The run was asked to stop, saved its state, and can be continued.

    Args:
        step: That it stands at.
        status: The exit status that says so.
    """

    def __init__(self, step: int, status: int) -> None:
        super().__init__(f"stopped after step {step}")
        self.status = status


class Resumable(TaskCallback):
    """Save the state every few steps; when asked to stop, finish the step, save and stop.

    A second SIGINT interrupts at once, and the last saved state stands.

    Args:
        checkpoints: Of the run.
        first: The step of the state to go on from; None is the start.
        every: Steps between saves.
    """

    def __init__(self, checkpoints: Checkpoints, first: int | None, every: int) -> None:
        self.checkpoints, self.first, self.every = checkpoints, first, every
        self._asked = 0  # a status, or nobody has
        self._listening = ExitStack()

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Bring the task, whose optimizer is made now, to where the state stands.

        Raises:
            ValueError: The state is damaged or does not fit.
        """
        assert isinstance(pl_module, Task)
        if self.first is not None:
            self.checkpoints.load(self.first, pl_module.state())
            facts = self.checkpoints.facts(self.first)
            pl_module.num_skipped = int(facts["skipped"])
            pl_module.metrics = {"train/loss": facts["loss"]}
            pl_module.spent = Spent.going_on(facts.get("spent"))  # none in a state of an earlier version

    def before_first_step(self, trainer: lightning.Trainer, task: Task) -> None:
        """Listen."""
        self._listening.enter_context(hearing(self._ask))

    def after_step(self, trainer: lightning.Trainer, task: Task, step: Step) -> None:
        """Save if it is time.

        Raises:
            StoppedEarly: It was asked to stop.
        """
        asked = int(ranks.gathered([self._asked]).max())  # not every process is told
        may_be_best = self.checkpoints.keep_best and task.validation_loss is not None
        if asked or may_be_best or task.step % self.every == 0:
            self._save(task)
        if asked:
            self.checkpoints.wait()
            raise StoppedEarly(task.step, asked)

    def on_train_end(self, *_: Any) -> None:
        """Listen no more."""
        self.checkpoints.wait()
        self._listening.close()

    def on_exception(self, *_: Any) -> None:
        """Listen no more."""
        self._listening.close()

    def _ask(self, number: int) -> None:
        if self._asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._asked = INTERRUPTED if number == signal.SIGINT else PREEMPTED

    def _save(self, task: Task) -> None:
        facts = {
            "loss": task.metrics["train/loss"],
            "skipped": task.num_skipped,
            "validation_loss": task.validation_loss,
            "spent": task.spent.of_all(),
        }
        self.checkpoints.save(task.step, task.state(), facts)


def choose_step(checkpoints: Checkpoints, resume: str) -> int | None:
    """Return the step that a run goes on from; None is its start.

    Args:
        checkpoints: Of the run.
        resume: `auto`, `never`, or a step.

    Raises:
        ValueError: No state stands at that step.
    """
    steps = checkpoints.steps()
    if resume == "never" or (resume == "auto" and not steps):
        return None
    if resume == "auto":
        return steps[-1]
    if not resume.isdecimal() or int(resume) not in steps:
        there = f"those at {', '.join(map(str, steps))}" if steps else "none"
        raise ValueError(f"resume={resume} must be auto, never, or a state of {checkpoints.folder}: {there}")
    return int(resume)
