"""BLIP-2's querying transformer."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from transformers import Blip2QFormerConfig, Blip2QFormerModel

from vlm.projector.base import Projector
from vlm.shapes import PatchFeatures, VisualTokens


class QFormer(Projector):
    """Learned queries read the patches through BERT (Li et al. 2023, arXiv:2301.12597), then a linear layer.

    Args:
        vision_dim: Size of a patch feature.
        text_dim: Size of an LLM embedding.
        grid: Rows and columns of patches.
        num_queries: Visual tokens of a picture, whatever its grid.
        depth: Layers; every second one, from the first, reads the patches.
        hidden_size: Of the queries.
        num_heads: Of each attention.
    """

    def __init__(
        self,
        vision_dim: int,
        text_dim: int,
        grid: Sequence[int],
        num_queries: int,
        depth: int,
        hidden_size: int,
        num_heads: int,
    ) -> None:
        super().__init__(vision_dim, text_dim, grid)
        if num_queries < 1 or depth < 1:
            raise ValueError(
                f"projector.num_queries and depth must be at least 1, got {num_queries}, {depth}"
            )
        if hidden_size % num_heads:
            raise ValueError(
                f"projector.hidden_size={hidden_size} must be a multiple of projector.num_heads={num_heads}"
            )
        self.num_queries, self.depth = num_queries, depth
        self.hidden_size, self.num_heads = hidden_size, num_heads

    @classmethod
    def twin(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings with few and narrow layers."""
        return {**settings, **{"depth": 2, "hidden_size": 16, "num_heads": 2}}

    @property
    def output_grid(self) -> tuple[int, int]:
        """The queries, which have no place in the picture."""
        return 1, self.num_queries

    def configure_model(self) -> None:
        """Build queries and layers; a second call does nothing."""
        if hasattr(self, "layers"):
            return
        config = Blip2QFormerConfig(
            hidden_size=self.hidden_size,
            num_hidden_layers=self.depth,
            num_attention_heads=self.num_heads,
            intermediate_size=4 * self.hidden_size,
            encoder_hidden_size=self.vision_dim,
            cross_attention_frequency=2,
            # BERT's dropout of 0.1 would be the only chance in a training step.
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
        self.queries = nn.Parameter(torch.randn(self.num_queries, self.hidden_size) * 0.02)
        self.norm = nn.LayerNorm(self.vision_dim)
        self.layers = Blip2QFormerModel(config)
        self.output = nn.Linear(self.hidden_size, self.text_dim)

    def forward(self, features: PatchFeatures) -> VisualTokens:
        """Let the queries read."""
        read = self.layers(
            query_embeds=self.queries.expand(len(features), -1, -1), encoder_hidden_states=self.norm(features)
        )
        return self.output(read.last_hidden_state)
