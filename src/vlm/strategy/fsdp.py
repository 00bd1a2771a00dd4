"""Fully sharded data parallel, torch's first form, through Lightning's FSDPStrategy; GPUs only."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from lightning.pytorch.strategies import FSDPStrategy
from lightning.pytorch.strategies import Strategy as LightningStrategy
from torch import Tensor, nn
from torch.distributed.fsdp import FullyShardedDataParallel, MixedPrecision
from torch.distributed.fsdp.wrap import lambda_auto_wrap_policy

from vlm import ranks
from vlm.strategy.base import Sharded


class FSDP(Sharded):
    """Weights, gradients and optimizer in shares, flattened block by block.

    Args:
        hybrid: Share out within each machine and copy across them.
        cpu_offload: Keep shares in the memory of the CPU between uses.
    """

    policies: Mapping[str, Any] = {
        "32-true": None,
        "bf16-mixed": MixedPrecision(
            param_dtype=torch.bfloat16, reduce_dtype=torch.float32, buffer_dtype=torch.float32
        ),
    }

    def __init__(self, hybrid: bool, cpu_offload: bool) -> None:
        super().__init__(hybrid, cpu_offload)
        self._inner: set[int] = set()

    def lightning(self, precision: str) -> tuple[LightningStrategy | str, str]:
        """Lightning's FSDPStrategy."""
        wrap = partial(lambda_auto_wrap_policy, lambda_fn=lambda module: id(module) in self._inner)
        strategy = FSDPStrategy(
            auto_wrap_policy=wrap,
            mixed_precision=self.policy(precision),
            sharding_strategy="HYBRID_SHARD" if self.hybrid else "FULL_SHARD",
            cpu_offload=self.offloads,
            state_dict_type="sharded",
        )
        return strategy, "32-true"

    def spread(self, root: nn.Module, inner: Sequence[nn.Module], precision: str, device: str) -> None:
        """Remember what to wrap: Lightning wraps when it sets the model up."""
        self._inner = {id(module) for module in inner}

    def wholes(self, root: nn.Module, names: Iterable[str]) -> Iterator[tuple[str, Tensor]]:
        """Yield weights by name; the first process gathers them all in the memory of its CPU."""
        with FullyShardedDataParallel.summon_full_params(root, writeback=False, offload_to_cpu=True):
            yield from super().wholes(root, names)

    def norm(self, tensors: Iterable[Tensor]) -> Tensor:
        """Return the 2-norm over all shares."""
        return ranks.summed(super().norm(tensors).square()).sqrt()

    def state_name(self, name: str) -> str:
        """Name the share: such a state is read again on as many devices as wrote it."""
        return f"{name}.{ranks.rank()}of{ranks.world_size()}"
