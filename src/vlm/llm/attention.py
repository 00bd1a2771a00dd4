"""Varlen attention: packed documents that cannot see each other, without a mask.

Registered once through transformers' `AttentionInterface`, so every causal LM of that library gets it.
On CUDA it is torch's own kernel; on the CPU one causal scaled-dot-product call for each document.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from vlm.data.batch import Edges

NAME = "vlm_varlen"


@torch.compiler.disable  # type: ignore[untyped-decorator]  # rows differ in their documents
def varlen_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: None,
    *,
    edges: Edges,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attend within documents.

    Args:
        module: The attention layer; unused.
        query: [1, heads, tokens, head_dim].
        key: As the query, with the model's number of key-value heads.
        value: As the key.
        attention_mask: None; transformers builds no mask for a kernel it does not know.
        edges: Of the documents.
        scaling: Of the scores; None is one over the root of head_dim.
        dropout: Must be 0.
        sliding_window: How many tokens, itself included, a token sees at most.
        softcap: The value `c` of scores that are softly capped as `c tanh(score / c)` (Gemma 2).

    Returns:
        [1, tokens, heads, head_dim], and None for the weights.
    """
    if attention_mask is not None or dropout:
        raise ValueError("varlen attention takes neither a mask nor dropout")
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
    if query.is_cuda and softcap is None:
        return _on_cuda(query, key, value, edges, scaling, sliding_window), None
    parts = zip(*(torch.split(whole, edges.lengths, dim=2) for whole in (query, key, value)), strict=True)
    documents = [_one_document(q, k, v, scaling, sliding_window, softcap) for q, k, v in parts]
    return torch.cat(documents, dim=2).transpose(1, 2), None


def _one_document(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    scaling: float | None,
    window: int | None,
    softcap: float | None,
) -> Tensor:
    length = query.shape[2]
    if window is not None and window >= length:
        window = None
    if softcap is None and window is None:
        return scaled_dot_product_attention(query, key, value, is_causal=True, scale=scaling)
    places = torch.arange(length, device=query.device)
    distance = places.unsqueeze(1) - places
    seen = (distance >= 0) & (distance < (window or length))
    if softcap is None:
        return scaled_dot_product_attention(query, key, value, attn_mask=seen, scale=scaling)
    scores = query @ key.mT * (query.shape[-1] ** -0.5 if scaling is None else scaling)
    scores = (softcap * torch.tanh(scores / softcap)).masked_fill(~seen, -torch.inf)
    return scores.softmax(-1, dtype=torch.float32).to(value.dtype) @ value


def _on_cuda(
    query: Tensor, key: Tensor, value: Tensor, edges: Edges, scaling: float | None, window: int | None
) -> Tensor:
    from torch.nn.attention.varlen import varlen_attn  # noqa: PLC0415 (needs a CUDA build)

    boundaries, longest = edges.boundaries, max(edges.lengths)
    query, key, value = (tensor.squeeze(0).transpose(0, 1).contiguous() for tensor in (query, key, value))
    attended = varlen_attn(
        query, key, value, boundaries, boundaries, longest, longest, scale=scaling,
        window_size=(window - 1 if window else -1, 0),
    )  # fmt: skip
    assert isinstance(attended, Tensor)
    return attended.unsqueeze(0)


AttentionInterface.register(NAME, varlen_attention)
