"""What stops a run that is not training what it says: losses that are no numbers, parts without gradient."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning
import torch
from safetensors.torch import save_file
from torch import Tensor

from vlm import ranks
from vlm.data.steps import Step
from vlm.training.callback import TaskCallback, is_time
from vlm.training.parts import learning_parts
from vlm.training.task import Task


class NotFiniteError(ValueError):
    """A loss is no number; the message says at which step, and where its batch is kept."""


class Guards(TaskCallback):
    """Look at the loss and at every part's gradient before the optimizer does.

    Args:
        folder: Of the run, where a batch that gave no number is kept.
        every: Steps between records of gradient norms and update ratios.
    """

    def __init__(self, folder: Path, every: int) -> None:
        self.folder, self.every = folder, every
        self._proven: set[str] = set()
        self._step: Step | None = None

    def before_step(self, task: Task, step: Step) -> None:
        """Remember what is read."""
        self._step = step

    def before_optimizer(self, task: Task) -> None:
        """Stop at a loss that is no number, and at a part that should learn and gets no gradient.

        Raises:
            NotFiniteError: The one.
            ValueError: The other.
        """
        assert self._step is not None
        if not math.isfinite(task.metrics["train/loss"]):
            raise NotFiniteError(self._dump(task, self._step))
        parts = learning_parts(task.model)
        unproven = set(parts) - self._proven
        if not unproven and not is_time(task, self.every, ahead=1):
            return
        norms = {name: _norm_of_gradients(task, part) for name, part in parts.items()}
        task.metrics |= {f"train/gradient_norm/{name}": norm for name, norm in norms.items()}
        self._prove(task, self._step, norms)

    def _prove(self, task: Task, step: Step, norms: Mapping[str, float]) -> None:
        """Hold each part to its first gradient; of pictures, at the first step that has some."""
        pictures = ranks.gathered([sum(len(row.tiles) for row in step.rows)]).sum()
        for name, norm in norms.items():
            started = task.step >= vars(task.plan.stage.optimizer)[name].first_step
            if norm > 0:
                self._proven.add(name)
            elif name not in self._proven and started and (pictures or name == "llm"):
                raise ValueError(
                    f"stage.learns.{name}={task.plan.stage.learns[name].value}, but no gradient reaches it "
                    f"at step {task.step}; freeze it, or look at what lies between it and the loss"
                )

    def after_step(self, trainer: lightning.Trainer, task: Task, step: Step) -> None:
        """Note by which share of their size the weights of each part moved."""
        if is_time(task, self.every):
            task.metrics |= update_ratios(task)

    def _dump(self, task: Task, step: Step) -> str:
        """Keep the batch; return what to say of it."""
        path = self.folder / f"not_finite/step-{task.step}-rank-{ranks.rank()}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        tensors = {
            f"{number}.{name}": value.cpu().contiguous()
            for number, row in enumerate(step.rows)
            for name, value in vars(row).items()
            if isinstance(value, Tensor)
        }
        save_file(tensors, path, {"keys": json.dumps([row.keys for row in step.rows])})
        return (
            f"loss is {task.metrics['train/loss']} at step {task.step}; its batch is kept in {path.parent}; "
            "lower stage.optimizer.learning_rate or set stage.optimizer.max_gradient_norm=1"
        )


def _norm_of_gradients(task: Task, part: torch.nn.Module) -> float:
    gradients = [weight.grad for weight in part.parameters() if weight.grad is not None]
    return float(task.strategy.norm(gradients)) if gradients else 0.0


@torch.no_grad()
def update_ratios(task: Task) -> dict[str, float]:
    """Return for each part the norm of AdamW's last update over that of the weights.

    The update follows from the moments, one weight at a time, so no copy of the weights is needed.
    """
    optimizer: Any = task.optimizers()
    beta1, beta2 = optimizer.param_groups[0]["betas"]
    updates: dict[str, list[Tensor]] = {}
    weights: dict[str, list[Tensor]] = {}
    for group in optimizer.param_groups:
        for weight in group["params"]:
            moments = optimizer.state[weight]
            if not moments:  # its first step is still to come
                continue
            mean = moments["exp_avg"] / (1 - beta1 ** moments["step"])
            square = moments["exp_avg_sq"] / (1 - beta2 ** moments["step"])
            update = group["lr"] * (mean / (square.sqrt() + group["eps"]) + group["weight_decay"] * weight)
            updates.setdefault(group["part"], []).append(torch.linalg.vector_norm(update))
            weights.setdefault(group["part"], []).append(torch.linalg.vector_norm(weight))
    norm = task.strategy.norm
    return {
        f"train/update_ratio/{part}": float(norm(updates[part])) / max(float(norm(weights[part])), 1e-12)
        for part in updates
    }
