"""Varlen attention by hand."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from vlm.data.batch import Edges
from vlm.llm.attention import varlen_attention


def by_hand(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    edges: list[int],
    window: int = 100,
    softcap: float | None = None,
) -> torch.Tensor:
    """One softmax for each token over the tokens before it in its document."""
    heads, groups = query.shape[1], query.shape[1] // key.shape[1]
    out = torch.zeros(1, query.shape[2], heads, query.shape[3])
    for head in range(heads):
        for start, stop in pairwise(edges):
            for place in range(start, stop):
                seen = slice(max(start, place + 1 - window), place + 1)
                scores = key[0, head // groups, seen] @ query[0, head, place] / query.shape[3] ** 0.5
                if softcap:
                    scores = softcap * (scores / softcap).tanh()
                out[0, place, head] = scores.softmax(0) @ value[0, head // groups, seen]
    return out


@pytest.mark.parametrize("key_heads", [1, 2, 4])
def test_it_is_causal_attention_within_documents(key_heads: int) -> None:
    query = torch.randn(1, 4, 9, 8)
    key, value = torch.randn(2, 1, key_heads, 9, 8)
    edges = [0, 3, 4, 9]
    ours, _ = varlen_attention(
        torch.nn.Identity(), query, key, value, None, edges=Edges.of(np.diff(edges).tolist())
    )
    assert torch.allclose(ours, by_hand(query, key, value, edges), atol=1e-5)


CAPPED = [{"sliding_window": 3}, {"softcap": 0.5}, {"sliding_window": 2, "softcap": 1.0}]


@pytest.mark.parametrize("options", CAPPED)
def test_windows_and_soft_caps_are_kept(options: dict[str, float]) -> None:
    query = 3 * torch.randn(1, 4, 9, 8)
    key, value = torch.randn(2, 1, 2, 9, 8)
    edges = [0, 2, 9]
    ours, _ = varlen_attention(
        torch.nn.Identity(), query, key, value, None, edges=Edges.of(np.diff(edges).tolist()), **options
    )
    window, softcap = int(options.get("sliding_window", 100)), options.get("softcap")
    assert torch.allclose(ours, by_hand(query, key, value, edges, window, softcap), atol=1e-5)
    assert not torch.allclose(ours, by_hand(query, key, value, edges), atol=1e-2)


def test_a_mask_is_refused() -> None:
    tensor = torch.randn(1, 1, 2, 4)
    with pytest.raises(ValueError, match="neither a mask nor dropout"):
        varlen_attention(
            torch.nn.Identity(),
            tensor,
            tensor,
            tensor,
            None,
            edges=Edges.of([2]),
            dropout=0.1,
        )
