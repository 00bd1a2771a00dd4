"""What sees a training from where a tracker's logger stands: its figures, its gradients, its first state."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger
from torch import Tensor, nn

from vlm.config import PARTS
from vlm.tracking.none import NoTracker
from vlm.training.resume import Resumable
from vlm.training.task import Task


class Witness(Logger):
    """Keep what is logged of each step, and look at the task that is trained.

    Args:
        first_state: Where the state after step 1 is copied to, before it gives way; None copies none.

    Attributes:
        notes: What was logged, by step and name.
        reached: Of each part, the weights that learn and those of them that a gradient has reached.
    """

    def __init__(self, first_state: Path | None = None) -> None:
        super().__init__()
        self.first_state = first_state
        self.notes: dict[int, dict[str, float]] = {}
        self.reached: dict[str, dict[str, bool]] = {}
        self._task: Task | None = None

    @property
    def name(self) -> str:
        """Nobody asks."""
        return "witness"

    @property
    def version(self) -> str:
        """Nobody asks."""
        return ""

    @property
    def task(self) -> Task:
        """What was trained, as it stands in memory."""
        assert self._task is not None
        return self._task

    def log_hyperparams(self, *_: Any, **__: Any) -> None:
        """Nothing that the sentence does not say."""

    def log_graph(self, model: nn.Module, input_array: Tensor | None = None) -> None:
        """Lightning shows every logger what it is about to train."""
        assert isinstance(model, Task)
        self._task = model

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Note figures; at the last step, look."""
        assert step is not None
        self.notes.setdefault(step, {}).update(metrics)
        if step == self.task.plan.num_steps and not self.reached:
            self.reached = _reached(self.task)
            if self.first_state:
                self._copy_first_state(self.first_state)

    def _copy_first_state(self, to: Path) -> None:
        [resumable] = [c for c in self.task.trainer.callbacks if isinstance(c, Resumable)]  # type: ignore[attr-defined]
        resumable.checkpoints.wait()
        shutil.copytree(resumable.checkpoints.folder / "1", to)


def _reached(task: Task) -> dict[str, dict[str, bool]]:
    """Return whether each weight's moment, which only gradients move, is anything but zero."""
    optimizer: Any = task.optimizers()
    reached: dict[str, dict[str, bool]] = {}
    for part in PARTS:
        weights = task.model.get_submodule(part).named_parameters()
        reached[part] = {
            name: bool(moments["exp_avg"].any()) if (moments := optimizer.state.get(weight)) else False
            for name, weight in weights
            if weight.requires_grad
        }
    return reached


class WitnessTracker(NoTracker):
    """No tracker, but for a witness.

    Args:
        witness: Of one training.
    """

    def __init__(self, witness: Witness) -> None:
        self.witness = witness

    def logger(self, run: str) -> Logger:  # type: ignore[override]
        """Return the witness."""
        return self.witness
