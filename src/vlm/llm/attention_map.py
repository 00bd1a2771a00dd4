"""How much each token of a text is attended to, noted while an LLM reads it."""

import torch
from jaxtyping import Float
from torch import Tensor

from vlm.data.batch import Edges
from vlm.llm.attention_mass import NotedAttention, Scores


class AttentionMap(NotedAttention):
    """Notes how much probability positions of a document put on each of its tokens.

    Args:
        places: The watched positions of the document, which is the first of its row.

    Attributes:
        layers: Of each layer that has read: the probability on each token, which sum to 1; the mean over
            heads and watched positions.
    """

    def __init__(self, places: Tensor) -> None:
        super().__init__({0: places})
        self.layers: list[Float[Tensor, " token"]] = []

    def note(self, queries: Tensor, keys: Tensor, edges: Edges, scores: Scores) -> None:
        """Note a layer."""
        here, places = slice(edges.lengths[0]), self.places[0]
        queries, keys = queries[:, here], keys[:, here]
        of_chunks = [
            probabilities.sum((0, 1)) for probabilities, _ in scores.probabilities(queries, keys, places)
        ]
        self.layers.append(torch.stack(of_chunks).sum(0) / (len(queries) * len(places)))
