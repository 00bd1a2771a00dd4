"""What a training is to do, besides its model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from vlm.config import Stage, Trainer


@dataclass(frozen=True)
class Plan:
    """A stage, and how it is worked off.

    Args:
        stage: What learns, and how fast.
        trainer: How each device works.
        num_steps: Of the whole stage.
        seed: Of what is random in a step.
        starting_weights: Folders of weights to start from, each laid over the one before.
        sources: Names of the mixture's.
        by_row: Whether the loss is the mean over rows of their means, as LLaVA's, and not over tokens.
    """

    stage: Stage
    trainer: Trainer
    num_steps: int
    seed: int
    starting_weights: Sequence[Path]
    sources: Sequence[str]
    by_row: bool = False

    @property
    def device(self) -> str:
        """The kind of device, as torch calls it."""
        return device_of(self.trainer.accelerator)


def device_of(accelerator: str) -> str:
    """Return the kind of device, as torch calls it, of an accelerator as Lightning calls it."""
    return "cpu" if accelerator == "cpu" or not torch.cuda.is_available() else "cuda"
