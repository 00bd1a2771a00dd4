"""The moving average of what learns (Polyak and Juditsky 1992; EMA)."""

from collections.abc import Iterable

import torch
from torch import Tensor


class Average:
    """Follow weights; shares of them are followed share by share.

    Args:
        weights: That learn.
        decay: How much of the average a step keeps.
    """

    def __init__(self, weights: Iterable[Tensor], decay: float) -> None:
        self.weights, self.decay = list(weights), decay
        self.values = [weight.detach().clone() for weight in self.weights]

    @torch.no_grad()
    def update(self) -> None:
        """Move towards the weights."""
        torch._foreach_lerp_(self.values, self.weights, 1 - self.decay)

    @torch.no_grad()
    def settle(self) -> None:
        """Put the average in the weights' place."""
        for weight, value in zip(self.weights, self.values, strict=True):
            weight.copy_(value)
