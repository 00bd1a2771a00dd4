"""Weights that are built without values and read share by share: no device ever holds them all."""

from collections.abc import Mapping
from typing import Any

import torch
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.distributed.tensor._utils import compute_local_shape_and_global_offset


@torch.no_grad()
def fill(weight: Tensor, values: Any) -> None:
    """Read values into a weight, or this device's rows of them into its share.

    Args:
        weight: Whole, or spread by its rows.
        values: A tensor, or what can be sliced like one.
    """
    if not isinstance(weight, DTensor):
        weight.copy_(values[:])
        return
    (rows, *_), (first, *_) = compute_local_shape_and_global_offset(
        weight.shape, weight.device_mesh, weight.placements
    )
    if rows:
        weight.to_local().copy_(values[first : first + rows])


def begin_adapters(network: nn.Module) -> None:
    """Draw the first values of adapters, which peft has put beside weights that have none."""
    for module in network.modules():
        if isinstance(module, LoraLayer):
            for matrices in (module.lora_A, module.lora_B):
                matrices.to_empty(device="cpu")
            for name in module.lora_A:
                module.reset_lora_parameters(name, True)  # type: ignore[no-untyped-call]


def materialise(network: nn.Module, device: str, slices: Mapping[str, Any]) -> None:
    """Give room to weights that have no values, and read them.

    Args:
        network: Spread; adapters in it have values already.
        device: `cpu` or `cuda`.
        slices: What is published, by name.

    Raises:
        KeyError: A weight is not published.
        ValueError: One is of another shape.
    """
    names = [name for name, weight in network.named_parameters() if weight.is_meta]
    for module in network.modules():
        if any(weight.is_meta for weight in module.parameters(recurse=False)):
            module.to_empty(device=device, recurse=False)
    weights = dict(network.named_parameters())
    for name in names:
        published = name.replace(".base_layer.", ".")
        values = slices[published]
        shape = values.shape if isinstance(values, Tensor) else values.get_shape()
        if list(shape) != list(weights[name].shape):
            raise ValueError(f"{published} is {list(shape)}, not {list(weights[name].shape)}")
        fill(weights[name], values)
