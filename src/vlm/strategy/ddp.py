"""Distributed data parallel: each device holds everything and reads its share of the rows."""

from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.strategies import Strategy as LightningStrategy

from vlm.strategy.base import Strategy


class DDP(Strategy):
    """A copy of the model on each device (Li et al. 2020, arXiv:2006.15704).

    The fastest where weights, gradients and optimizer fit one device several times over: connectors, LoRA.
    """

    def lightning(self, precision: str) -> tuple[LightningStrategy | str, str]:
        """Lightning's DDP."""
        return DDPStrategy(), precision
