"""The LightningModule that trains: the loss of one batch, and what is logged of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor

from vlm.config import Learning, Optimizer
from vlm.data.batch import PackedBatch
from vlm.model.vision_language import VisionLanguageModel
from vlm.training.optimizer import build_optimizer, build_schedule
from vlm.training.parts import learning_parts, load_part, set_learning


class Task(lightning.LightningModule):
    """One stage's training of a model.

    Args:
        model: Not yet built.
        learns: What each part does.
        optimizer: Its settings.
        num_steps: Of the whole stage.
        starting_weights: Folders of weights to start from, each laid over the one before.
    """

    def __init__(
        self,
        model: VisionLanguageModel,
        learns: Mapping[str, Learning],
        optimizer: Optimizer,
        num_steps: int,
        starting_weights: Sequence[Path],
    ) -> None:
        super().__init__()
        self.model = model
        self.learns, self.optimizer_settings, self.num_steps = learns, optimizer, num_steps
        self.starting_weights = starting_weights
        self._configured = False
        self.strict_loading = False  # checkpoints hold what learns; frozen parts come from their own files

    def configure_model(self) -> None:
        """Build the parts, start them from the stage before, freeze what does not learn; once."""
        if self._configured:
            return
        self._configured = True
        self.model.configure_model()
        for folder in self.starting_weights:
            for path in sorted(folder.glob("*.safetensors")):
                load_part(path.stem, self.model.get_submodule(path.stem), path)
        set_learning(self.model, self.learns)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW over what learns; the schedule moves every step."""
        optimizer = build_optimizer(self.model, self.optimizer_settings)
        schedule = build_schedule(optimizer, self.optimizer_settings, self.num_steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def training_step(self, batch: PackedBatch, batch_index: int) -> Tensor:
        """Return the mean loss over the batch's supervised tokens.

        Raises:
            ValueError: The loss is not a number.
        """
        loss, _ = self.model.loss(batch)
        if not loss.isfinite():
            raise ValueError(
                f"loss is {loss.item()} at step {self.global_step} ({batch.keys[0]}, ...); "
                "lower stage.optimizer.learning_rate or set stage.optimizer.max_gradient_norm=1"
            )
        self.log("train/loss", loss.detach())
        self.log("train/learning_rate", self.optimizers().param_groups[0]["lr"])  # type: ignore[union-attr]
        return loss

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what learns; the rest would be saved again and again."""
        learned = {
            f"model.{name}.{key}"
            for name, part in learning_parts(self.model).items()
            for key in part.state_dict()
        }
        checkpoint["state_dict"] = {k: v for k, v in checkpoint["state_dict"].items() if k in learned}
