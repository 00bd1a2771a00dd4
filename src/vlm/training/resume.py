"""Checkpoints to go on from: at intervals, and when somebody asks the run to stop."""

import signal
from pathlib import Path
from types import FrameType
from typing import Any

import lightning
import torch


class StoppedEarly(Exception):  # noqa: N818 (nothing went wrong)
    """The run was asked to stop, saved its state, and can be continued."""


class Resumable(lightning.Callback):
    """Save the trainer's state every few steps; on SIGINT or SIGTERM finish the step, save and stop.

    A second SIGINT interrupts at once, and the last saved state stands.

    Args:
        path: Of the checkpoint; replaced whole, so that a kill in the middle leaves the one before.
        every: Steps between saves.
    """

    def __init__(self, path: Path, every: int) -> None:
        self.path, self.every = path, every
        self._asked = False
        self._previous: dict[int, Any] = {}

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Listen."""
        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, self._ask)

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any, **__: Any) -> None:
        """Save if it is time."""
        if self._asked or trainer.global_step % self.every == 0:
            self._save(trainer)
        if self._asked:
            self._restore()
            raise StoppedEarly(f"stopped after step {trainer.global_step}")

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Listen no more."""
        self._restore()

    def on_exception(self, *_: Any) -> None:
        """Listen no more."""
        self._restore()

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self._asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._asked = True

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def _save(self, trainer: lightning.Trainer) -> None:
        temporary = self.path.with_suffix(".partial")
        trainer.save_checkpoint(temporary)
        temporary.replace(self.path)


def check_checkpoint(path: Path, task: lightning.LightningModule) -> int:
    """Return the step that a saved state stands at.

    Raises:
        ValueError: It is damaged, or of other weights.
    """
    remedy = "delete it to train the stage from its start"
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        saved, step = state["state_dict"], int(state["global_step"])
    except Exception as error:
        raise ValueError(f"{path} is no state to go on from ({type(error).__name__}); {remedy}") from error
    weights = task.state_dict()
    for name, tensor in saved.items():
        if name not in weights or weights[name].shape != tensor.shape:
            raise ValueError(f"{path} does not fit the model at {name}; {remedy}")
    return step
