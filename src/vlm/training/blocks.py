"""How blocks are computed: compiled, with fused kernels, and what of them is kept for the backward pass."""

from collections.abc import Callable, Iterable
from functools import partial
from importlib.util import find_spec
from typing import Any

import torch
import torch.nn.attention.varlen  # registers its operation
from torch import nn
from torch.utils.checkpoint import CheckpointPolicy, checkpoint, create_selective_checkpoint_contexts

from vlm.values import Checkpointing, Kernels

DEAR = [
    torch.ops.aten.mm.default,
    torch.ops.aten.addmm.default,
    torch.ops.aten._scaled_dot_product_flash_attention.default,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default,
    torch.ops.aten._scaled_dot_product_efficient_attention.default,
    torch.ops.torch_attn._varlen_attn.default,
]
"""Whose results `selective` keeps: matrix products and attention cost more to compute than to hold."""


def prepare_blocks(blocks: Iterable[nn.Module], checkpointing: Checkpointing, compiled: bool) -> None:
    """Change how blocks run forward, in place; their weights and names stay.

    Args:
        blocks: Of transformers.
        checkpointing: `none` keeps every activation of a block, `selective` what is dear to compute, `full`
            only what enters it (Chen et al. 2016, arXiv:1604.06174).
        compiled: By torch.compile, for one size of rows.

    Raises:
        ValueError: The two do not go together.
    """
    if compiled and checkpointing is Checkpointing.selective:
        raise ValueError(
            "trainer.activation_checkpointing=selective sees nothing of what trainer.compile=true has fused; "
            "choose full or none"
        )
    for block in blocks:
        forward: Callable[..., Any] = block.forward
        if compiled:
            forward = _compiled(forward)
        if checkpointing is not Checkpointing.none:
            options = {"context_fn": _keeping_dear} if checkpointing is Checkpointing.selective else {}
            forward = partial(checkpoint, forward, use_reentrant=False, **options)
        block.forward = forward


def _compiled(forward: Callable[..., Any]) -> Callable[..., Any]:
    """Return what learns from rows of the one size by compiled code, and reads all others as it is."""
    of_one_size = torch.compile(forward, dynamic=False)
    return lambda *inputs, **options: (of_one_size if torch.is_grad_enabled() else forward)(
        *inputs, **options
    )


def _keeping_dear() -> Any:
    return create_selective_checkpoint_contexts(  # type: ignore[no-untyped-call]
        lambda context, operation, *args, **options: (
            CheckpointPolicy.MUST_SAVE if operation in DEAR else CheckpointPolicy.PREFER_RECOMPUTE
        )
    )


def fuse(network: nn.Module, kernels: Kernels) -> None:
    """Put fused kernels in the place of an LLM's norms, rotations and gated layers, in place.

    Args:
        network: Of transformers.
        kernels: `liger` (Hsu et al. 2024, arXiv:2410.10989), or torch's own.

    Raises:
        ValueError: This machine lacks what they need.
    """
    if kernels is Kernels.torch:
        return
    if not torch.cuda.is_available():
        raise ValueError("trainer.kernels=liger needs a CUDA device; choose trainer.kernels=torch")
    if find_spec("liger_kernel") is None:
        raise ValueError(
            "trainer.kernels=liger needs liger-kernel; pip install liger-kernel, or choose torch"
        )
    from liger_kernel.transformers import _apply_liger_kernel_to_instance  # noqa: PLC0415 (optional)

    # The loss is ours: the head is applied to supervised tokens only.
    _apply_liger_kernel_to_instance(network, fused_linear_cross_entropy=False, cross_entropy=False)
