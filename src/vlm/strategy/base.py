"""A strategy spreads a model, its gradients and its optimizer over devices."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from lightning.pytorch.strategies import Strategy as LightningStrategy
from torch import Tensor, nn


class Strategy(ABC):
    """The contract of every strategy; plain settings until `spread` is called."""

    is_group = True
    """Whether its devices are a group of processes, be it of one."""

    shares_rows = False
    """Whether a device holds rows of each weight, as a DTensor, instead of a copy."""

    offloads = False
    """Whether shares lie in the memory of the CPU."""

    @abstractmethod
    def lightning(self, precision: str) -> tuple[LightningStrategy | str, Any]:
        """Return Lightning's strategy and the precision that Lightning shall work in.

        Args:
            precision: As Lightning spells it.

        Raises:
            ValueError: It cannot be had with this strategy.
        """

    def spread(  # noqa: B027 (on one device there is nothing to do)
        self, root: nn.Module, inner: Sequence[nn.Module], precision: str, device: str
    ) -> None:
        """Spread a built model, before the optimizer sees its weights.

        Args:
            root: The whole.
            inner: Modules to be gathered one at a time, those within others first.
            precision: As Lightning spells it.
            device: `cpu` or `cuda`.

        Raises:
            ValueError: It cannot be spread.
        """

    def wholes(self, root: nn.Module, names: Iterable[str]) -> Iterator[tuple[str, Tensor]]:
        """Yield weights by name, whole, on the CPU; all devices must ask for the same, in the same order."""
        weights = dict(root.named_parameters())
        for name in names:
            yield name, weights[name].detach().cpu()

    def norm(self, tensors: Iterable[Tensor]) -> Tensor:
        """Return the 2-norm of tensors shaped and spread as weights are."""
        return torch.nn.utils.get_total_norm(tensors)

    def state_name(self, name: str) -> str:
        """Return how a saved state calls a tensor that is spread as weights are."""
        return name


class Sharded(Strategy):
    """What both forms of fully sharded data parallel have in common (Zhao et al. 2023, arXiv:2304.11277).

    Args:
        hybrid: Share out within each machine and copy across them, so that only gradients cross the slower
            network.
        cpu_offload: Keep shares in the memory of the CPU between uses, and step the optimizer there.
    """

    policies: Mapping[str, Any]
    """What is gathered, and in what gradients are summed, by precision; the optimizer's weights stay."""

    def __init__(self, hybrid: bool, cpu_offload: bool) -> None:
        self.hybrid, self.offloads = hybrid, cpu_offload

    def policy(self, precision: str) -> Any:
        """Return the policy of a precision.

        Raises:
            ValueError: None is made for it.
        """
        if precision not in self.policies:
            raise ValueError(
                f"trainer.precision={precision} does not go with strategy={type(self).__name__.lower()}; "
                f"choose one of {', '.join(self.policies)}"
            )
        return self.policies[precision]
