"""Flamingo's perceiver resampler."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from vlm.projector.base import Projector
from vlm.shapes import PatchFeatures, VisualTokens

Latents = Float[Tensor, "image latent dim"]


class PerceiverResampler(Projector):
    """Learned latents read the patches (Alayrac et al. 2022, arXiv:2204.14198), then one linear layer.

    Args:
        vision_dim: Size of a patch feature, and of a latent.
        text_dim: Size of an LLM embedding.
        grid: Rows and columns of patches.
        num_latents: Visual tokens of a picture, whatever its grid.
        depth: Layers of attention and feed-forward.
        num_heads: Of the attention.
        head_dim: Size of a head.
    """

    def __init__(
        self,
        vision_dim: int,
        text_dim: int,
        grid: Sequence[int],
        num_latents: int,
        depth: int,
        num_heads: int,
        head_dim: int,
    ) -> None:
        super().__init__(vision_dim, text_dim, grid)
        if num_latents < 1 or depth < 1:
            raise ValueError(
                f"projector.num_latents and depth must be at least 1, got {num_latents}, {depth}"
            )
        self.num_latents, self.depth, self.num_heads, self.head_dim = num_latents, depth, num_heads, head_dim

    @classmethod
    def twin(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings with few and narrow layers."""
        return {**settings, **{"depth": 2, "num_heads": 2, "head_dim": 8}}

    @property
    def output_grid(self) -> tuple[int, int]:
        """The latents, which have no place in the picture."""
        return 1, self.num_latents

    def configure_model(self) -> None:
        """Build latents and layers; a second call does nothing."""
        if hasattr(self, "layers"):
            return
        self.latents = nn.Parameter(torch.randn(self.num_latents, self.vision_dim) * self.vision_dim**-0.5)
        self.layers = nn.ModuleList(
            ResamplerLayer(self.vision_dim, self.num_heads, self.head_dim) for _ in range(self.depth)
        )
        self.norm = nn.LayerNorm(self.vision_dim)
        self.output = nn.Linear(self.vision_dim, self.text_dim)

    def forward(self, features: PatchFeatures) -> VisualTokens:
        """Let the latents read, layer by layer."""
        latents = self.latents.expand(len(features), -1, -1)
        for layer in self.layers:
            latents = layer(latents, features)
        return self.output(self.norm(latents))


class ResamplerLayer(nn.Module):
    """Latents attend to the patches and to each other; then a feed-forward of four times their size.

    Args:
        dim: Of latents and patches.
        num_heads: Of the attention.
        head_dim: Size of a head.
    """

    def __init__(self, dim: int, num_heads: int, head_dim: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        inner = num_heads * head_dim
        self.norm_features, self.norm_latents = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.query = nn.Linear(dim, inner, bias=False)
        self.key, self.value = nn.Linear(dim, inner, bias=False), nn.Linear(dim, inner, bias=False)
        self.out = nn.Linear(inner, dim, bias=False)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(dim), nn.Linear(dim, 4 * dim, bias=False), nn.GELU(),
            nn.Linear(4 * dim, dim, bias=False),
        )  # fmt: skip

    def forward(self, latents: Latents, features: PatchFeatures) -> Latents:
        """Return the latents after one reading."""
        normed = self.norm_latents(latents)
        seen = torch.cat([self.norm_features(features), normed], dim=1)
        query, key, value = (
            rearrange(tensor, "image token (head dim) -> image head token dim", head=self.num_heads)
            for tensor in (self.query(normed), self.key(seen), self.value(seen))
        )
        read = rearrange(
            scaled_dot_product_attention(query, key, value), "image head token dim -> image token (head dim)"
        )
        latents = latents + self.out(read)
        return latents + self.feed_forward(latents)
