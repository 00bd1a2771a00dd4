"""What share of its attention an LLM pays to some tokens, noted while it reads."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import accumulate
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from vlm.data.batch import Edges
from vlm.llm.attention import NAME as VARLEN
from vlm.llm.attention import varlen_attention

CHUNK = 256
"""Positions whose probabilities exist at once: of a long answer all would take gigabytes."""
Shares = Float[Tensor, " document"]


class AttentionMass:
    """Notes how much probability positions of a packed row put on some of its tokens, layer by layer.

    The row is read as always. For the watched positions the probabilities, which no kernel returns, are
    computed once more in float32, from the queries and keys that attention is called with.

    Args:
        wanted: The tokens of the row that attention is paid to.
        places: The watched positions of a document, counted from its start, by the document's place in the
            row.

    Attributes:
        mass: Of each layer that has read, and each watched document: the probability on wanted tokens, in
            [0, 1], the mean over heads and positions.
        uniform: The same, if each position attended alike to all that it sees in this layer.
    """

    def __init__(
        self,
        wanted: Bool[Tensor, " token"],
        places: Mapping[int, Tensor],  # of several lengths, which no named axis could be
    ) -> None:
        self.wanted, self.places = wanted, places
        self.mass: list[Shares] = []
        self.uniform: list[Shares] = []

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Take the place of varlen attention while an LLM reads the row, once."""
        ALL_ATTENTION_FUNCTIONS[VARLEN] = self._attend
        try:
            yield
        finally:
            del ALL_ATTENTION_FUNCTIONS[VARLEN]

    def _attend(
        self, module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: None,
        *, edges: Edges, scaling: float | None = None, sliding_window: int | None = None,
        softcap: float | None = None, **options: Any,
    ) -> tuple[Tensor, None]:  # fmt: skip
        """Attend as varlen attention does, and note."""
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling
        starts = [0, *accumulate(edges.lengths)]
        pairs = []
        for document, places in self.places.items():
            here = slice(starts[document], starts[document + 1])
            queries, keys = query[0, :, here], key[0, :, here]
            pairs.append(_shares(queries, keys, self.wanted[here], places, scale, sliding_window, softcap))
        both = torch.stack(pairs) if pairs else query.new_zeros(0, 2, dtype=torch.float32)
        self.mass.append(both[:, 0])
        self.uniform.append(both[:, 1])
        return varlen_attention(
            module, query, key, value, attention_mask,
            edges=edges, scaling=scaling, sliding_window=sliding_window, softcap=softcap, **options,
        )  # fmt: skip


def _shares(
    queries: Tensor,
    keys: Tensor,
    wanted: Tensor,
    places: Tensor,
    scale: float,
    window: int | None,
    softcap: float | None,
) -> Float[Tensor, "2"]:
    """Return a document's mass and uniform attention's, means over its heads and places."""
    heads, length = queries.shape[0], len(wanted)
    mass = uniform = torch.zeros((), device=queries.device)
    with torch.autocast(queries.device.type, enabled=False):
        keys = keys.float().repeat_interleave(heads // keys.shape[0], dim=0)
        for some in torch.split(places, CHUNK):
            scores = queries[:, some].float() @ keys.mT * scale
            if softcap is not None:
                scores = softcap * torch.tanh(scores / softcap)
            distance = some.unsqueeze(1) - torch.arange(length, device=some.device)
            seen = (distance >= 0) & (distance < (window or length))
            probabilities = scores.masked_fill(~seen, -torch.inf).softmax(-1)
            mass = mass + (probabilities * wanted).sum()
            uniform = uniform + ((seen & wanted).sum(-1) / seen.sum(-1)).sum()
    return torch.stack([mass / heads, uniform]) / len(places)
