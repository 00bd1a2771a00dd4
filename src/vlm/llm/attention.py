"""Varlen attention: packed documents that cannot see each other, without a mask.

Registered once through transformers' `AttentionInterface`, so every causal LM of that library gets it.
On CUDA it is torch's own kernel; on the CPU one causal scaled-dot-product call for each document.
"""

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

NAME = "vlm_varlen"


def varlen_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: None,
    *,
    boundaries: Tensor,
    scaling: float | None = None,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attend within documents.

    Args:
        module: The attention layer; unused.
        query: [1, heads, tokens, head_dim].
        key: As the query, with the model's number of key-value heads.
        value: As the key.
        attention_mask: None; transformers builds no mask for a kernel it does not know.
        boundaries: Edges of the documents, int32.
        scaling: Of the scores; None is one over the root of head_dim.
        dropout: Must be 0.

    Returns:
        [1, tokens, heads, head_dim], and None for the weights.
    """
    if attention_mask is not None or dropout:
        raise ValueError("varlen attention takes neither a mask nor dropout")
    attend = _on_cuda if query.is_cuda else _on_cpu
    return attend(query, key, value, boundaries, scaling), None


def _on_cpu(query: Tensor, key: Tensor, value: Tensor, boundaries: Tensor, scaling: float | None) -> Tensor:
    documents = [
        scaled_dot_product_attention(
            query[:, :, start:stop],
            key[:, :, start:stop],
            value[:, :, start:stop],
            is_causal=True,
            scale=scaling,
            enable_gqa=key.shape[1] != query.shape[1],
        )
        for start, stop in pairwise(boundaries.tolist())
    ]
    return torch.cat(documents, dim=2).transpose(1, 2)


def _on_cuda(query: Tensor, key: Tensor, value: Tensor, boundaries: Tensor, scaling: float | None) -> Tensor:
    from torch.nn.attention.varlen import varlen_attn  # noqa: PLC0415 (needs a CUDA build)

    repeats = query.shape[1] // key.shape[1]
    if repeats > 1:
        key, value = key.repeat_interleave(repeats, dim=1), value.repeat_interleave(repeats, dim=1)
    longest = int((boundaries[1:] - boundaries[:-1]).max())
    query, key, value = (tensor.squeeze(0).transpose(0, 1).contiguous() for tensor in (query, key, value))
    attended = varlen_attn(
        query, key, value, boundaries, boundaries, longest, longest, scale=scaling, window_size=(-1, 0)
    )
    assert isinstance(attended, Tensor)
    return attended.unsqueeze(0)


AttentionInterface.register(NAME, varlen_attention)
