"""Fully sharded data parallel, torch's second form: every weight is a DTensor of which a device has rows."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from lightning.pytorch.strategies import ModelParallelStrategy
from lightning.pytorch.strategies import Strategy as LightningStrategy
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import (
    CPUOffloadPolicy,
    MixedPrecisionPolicy,
    OffloadPolicy,
    fully_shard,
    register_fsdp_forward_method,
)
from torch.distributed.tensor import DTensor

from vlm import ranks
from vlm.strategy.base import Sharded


class FSDP2(Sharded):
    """Weights, gradients and optimizer in shares; a block is gathered while it computes.

    Frozen weights are shared out too, and have neither gradient nor optimizer state.
    """

    shares_rows = True
    policies: Mapping[str, Any] = {
        "32-true": MixedPrecisionPolicy(),
        "bf16-mixed": MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32),
    }

    def lightning(self, precision: str) -> tuple[LightningStrategy | str, str]:
        """Lightning's ModelParallelStrategy; the policy of each shard takes the place of autocast."""
        self.policy(precision)
        return _ModelParallel(self.offloads), "32-true"

    def spread(self, root: nn.Module, inner: Sequence[nn.Module], precision: str, device: str) -> None:
        """Share out each of the inner modules, and what is left with the root.

        Raises:
            ValueError: There is nothing to offload from, or weights of few bits cannot be shared out.
        """
        if self.offloads and device == "cpu":
            raise ValueError("strategy.cpu_offload=true has no effect on the CPU; set it to false")
        if any(weight.dtype in (torch.uint8, torch.int8) for weight in root.parameters()):
            raise ValueError(
                "adapter=qlora does not go with strategy=fsdp2; choose strategy=ddp or one device"
            )
        mesh = self._mesh(device)
        offload = CPUOffloadPolicy() if self.offloads else OffloadPolicy()
        policy = self.policy(precision)
        for module in [*inner, root]:
            fully_shard(module, mesh=mesh, mp_policy=policy, offload_policy=offload)
        if hasattr(root, "generate"):  # which computes with the root's own weights, too
            register_fsdp_forward_method(root, "generate")

    def _mesh(self, device: str) -> DeviceMesh:
        world, machine = ranks.world_size(), ranks.machine_size()
        if self.hybrid and machine < world:
            return init_device_mesh(
                device, (world // machine, machine), mesh_dim_names=("replicate", "shard")
            )
        return init_device_mesh(device, (world,), mesh_dim_names=("shard",))

    def wholes(self, root: nn.Module, names: Iterable[str]) -> Iterator[tuple[str, Tensor]]:
        """Yield weights by name, gathered one at a time."""
        weights = dict(root.named_parameters())
        for name in names:
            weight = weights[name].detach()
            yield name, (weight.full_tensor() if isinstance(weight, DTensor) else weight).cpu()

    def norm(self, tensors: Iterable[Tensor]) -> Tensor:
        """Return the 2-norm over all shares."""
        total = super().norm(tensors)
        return total.full_tensor() if isinstance(total, DTensor) else total


class _ModelParallel(ModelParallelStrategy):
    """Lightning's, over one dimension, which leaves offloaded shares where they are."""

    def __init__(self, cpu_offload: bool) -> None:
        super().__init__(data_parallel_size=ranks.world_size(), tensor_parallel_size=1)
        self.cpu_offload = cpu_offload

    def model_to_device(self) -> None:
        if not self.cpu_offload:
            super().model_to_device()
