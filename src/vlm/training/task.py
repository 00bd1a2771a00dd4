"""The LightningModule that trains: the loss of one batch, and what is logged of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn

from vlm.adapter.base import Adapter
from vlm.config import Learning, Optimizer
from vlm.data.steps import Step
from vlm.model.vision_language import VisionLanguageModel
from vlm.training.optimizer import build_optimizer, build_schedule
from vlm.training.parts import learning_parts, set_learning
from vlm.training.weights import load_weights


class Task(lightning.LightningModule):
    """One stage's training of a model.

    Args:
        model: Not yet built.
        learning: How parts learn: `Stage.learns`, `Stage.last_blocks` and the adapter.
        optimizer: Its settings.
        num_steps: Of the whole stage.
        seed: Of what is random in a step.
        starting_weights: Folders of weights to start from, each laid over the one before.
    """

    def __init__(
        self,
        model: VisionLanguageModel,
        learning: tuple[Mapping[str, Learning], Mapping[str, int], Adapter],
        optimizer: Optimizer,
        num_steps: int,
        seed: int,
        starting_weights: Sequence[Path],
    ) -> None:
        super().__init__()
        self.model = model
        self.learning, self.optimizer_settings = learning, optimizer
        self.num_steps, self.seed = num_steps, seed
        self.adapters: dict[str, nn.Module] = {}  # no submodules: they share the parts' weights
        self.starting_weights = starting_weights
        self.num_skipped = 0  # samples that nothing could be learned from
        self._configured = False
        self.automatic_optimization = False  # a step may be several rows
        self.strict_loading = False  # checkpoints hold what learns; frozen parts come from their own files

    def configure_model(self) -> None:
        """Build the parts, start them from the stage before, freeze what does not learn; once."""
        if self._configured:
            return
        self._configured = True
        self.model.configure_model()
        for folder in self.starting_weights:
            load_weights(self.model, folder)
        self.adapters = set_learning(self.model, *self.learning)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW over what learns; the schedule moves every step."""
        optimizer = build_optimizer(self.model, self.optimizer_settings)
        schedule = build_schedule(optimizer, self.optimizer_settings, self.num_steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def training_step(self, step: Step, step_index: int) -> dict[str, Tensor]:
        """Learn from a step's rows, one after another; return the mean loss of its supervised tokens.

        Raises:
            ValueError: The loss is not a number.
        """
        # Dropout is a function of the step, so that a resumed run draws what an uninterrupted one would.
        torch.manual_seed((self.seed << 32) + self.global_step)
        optimizer: Any = self.optimizers()
        if step.num_skipped:
            self.num_skipped += step.num_skipped
            self.log("train/skipped", float(self.num_skipped))
        weights = [row.supervised_weight for row in step.rows]
        total = sum(weights)
        loss = torch.zeros((), device=self.device)
        for row, weight in zip(step.rows, weights, strict=True):
            share = self.model.loss(row) * (weight / total)
            self.manual_backward(share)
            loss += share.detach()
        if not loss.isfinite():
            raise ValueError(
                f"loss is {loss.item()} at step {self.global_step} ({step.rows[0].keys[0]}, ...); "
                "lower stage.optimizer.learning_rate or set stage.optimizer.max_gradient_norm=1"
            )
        self.log("train/loss", loss)
        self.log("train/learning_rate", optimizer.param_groups[0]["lr"])
        limit = self.optimizer_settings.max_gradient_norm
        if limit is not None:
            self.clip_gradients(optimizer, limit, "norm")
        optimizer.step()
        optimizer.zero_grad()
        self.lr_schedulers().step()  # type: ignore[union-attr]
        return {"loss": loss}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what learns; the rest would be saved again and again."""
        learned = {
            f"model.{name}.{key}"
            for name, part in learning_parts(self.model).items()
            for key, value in part.state_dict(keep_vars=True).items()
            if value.requires_grad or not isinstance(value, nn.Parameter)
        }
        checkpoint["state_dict"] = {k: v for k, v in checkpoint["state_dict"].items() if k in learned}
