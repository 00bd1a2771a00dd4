"""What an LLM attends to, noted while it reads: the share of some tokens."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
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


class NotedAttention(ABC):
    """Notes where positions of a packed row look, layer by layer.

    The row is read as always. For the watched positions the probabilities, which no kernel returns, are
    computed once more in float32, from the queries and keys that attention is called with.

    Args:
        places: The watched positions of a document, counted from its start, by the document's place in the
            row.
    """

    def __init__(
        self,
        places: Mapping[int, Tensor],  # of several lengths, which no named axis could be
    ) -> None:
        self.places = places

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
        scores = Scores(query.shape[-1] ** -0.5 if scaling is None else scaling, sliding_window, softcap)
        self.note(query[0], key[0], edges, scores)
        return varlen_attention(
            module, query, key, value, attention_mask,
            edges=edges, scaling=scaling, sliding_window=sliding_window, softcap=softcap, **options,
        )  # fmt: skip

    @abstractmethod
    def note(self, queries: Tensor, keys: Tensor, edges: Edges, scores: "Scores") -> None:
        """Note a layer.

        Args:
            queries: [heads, tokens, head_dim].
            keys: Alike, of as many heads or fewer.
            edges: Of the documents.
            scores: What makes probabilities of them.
        """


@dataclass(frozen=True)
class Scores:
    """How a layer's queries and keys become probabilities.

    Args:
        scale: Of the scores.
        window: How many tokens, itself included, a token sees at most; None sees all before it.
        softcap: The value `c` of scores that are softly capped as `c tanh(score / c)`.
    """

    scale: float
    window: int | None
    softcap: float | None

    def probabilities(self, queries: Tensor, keys: Tensor, places: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield probabilities [head, place, token], and what is seen [place, token], of some places in turn.

        Args:
            queries: Of one document, [heads, tokens, head_dim].
            keys: Alike, of as many heads or fewer.
            places: The watched positions.
        """
        heads, length, _ = queries.shape
        with torch.autocast(queries.device.type, enabled=False):
            keys = keys.float().repeat_interleave(heads // keys.shape[0], dim=0)
            for some in torch.split(places, CHUNK):
                scores = queries[:, some].float() @ keys.mT * self.scale
                if self.softcap is not None:
                    scores = self.softcap * torch.tanh(scores / self.softcap)
                distance = some.unsqueeze(1) - torch.arange(length, device=some.device)
                seen = (distance >= 0) & (distance < (self.window or length))
                yield scores.masked_fill(~seen, -torch.inf).softmax(-1), seen


class AttentionMass(NotedAttention):
    """Notes how much probability positions put on some of the row's tokens.

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
        super().__init__(places)
        self.wanted = wanted
        self.mass: list[Shares] = []
        self.uniform: list[Shares] = []

    def note(self, queries: Tensor, keys: Tensor, edges: Edges, scores: Scores) -> None:
        """Note a layer."""
        starts = [0, *accumulate(edges.lengths)]
        pairs = []
        for document, places in self.places.items():
            here = slice(starts[document], starts[document + 1])
            pairs.append(_shares(queries[:, here], keys[:, here], self.wanted[here], places, scores))
        both = torch.stack(pairs) if pairs else queries.new_zeros(0, 2, dtype=torch.float32)
        self.mass.append(both[:, 0])
        self.uniform.append(both[:, 1])


def _shares(
    queries: Tensor, keys: Tensor, wanted: Tensor, places: Tensor, scores: Scores
) -> Float[Tensor, "2"]:
    """Return a document's mass and uniform attention's, means over its heads and places."""
    mass = uniform = torch.zeros((), device=queries.device)
    for probabilities, seen in scores.probabilities(queries, keys, places):
        mass = mass + (probabilities * wanted).sum()
        uniform = uniform + ((seen & wanted).sum(-1) / seen.sum(-1)).sum()
    return torch.stack([mass / len(queries), uniform]) / len(places)
