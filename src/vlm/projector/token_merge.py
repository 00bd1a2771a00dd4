"""Token merging: patches that look alike become one."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from vlm.projector.base import Projector
from vlm.projector.mlp import mlp
from vlm.shapes import PatchFeatures, VisualTokens

MergedFeatures = Float[Tensor, "image left dim"]


class TokenMergeProjector(Projector):
    """Merge by bipartite soft matching (ToMe, Bolya et al. 2022, arXiv:2210.09461), then two linear layers.

    Each round pairs every second token with the one among the others that it resembles most, by the
    cosine of their features, and averages the most alike pairs, weighted by how many patches each stands
    for. Tokens stay in raster order of the patch that they were merged into.

    Args:
        vision_dim: Size of a patch feature.
        text_dim: Size of an LLM embedding.
        grid: Rows and columns of patches.
        keep: Share of the patches that are left as tokens, in (0, 1].
    """

    def __init__(self, vision_dim: int, text_dim: int, grid: Sequence[int], keep: float) -> None:
        super().__init__(vision_dim, text_dim, grid)
        if not 0 < keep <= 1:
            raise ValueError(f"projector.keep must be above 0 and at most 1, got {keep}")
        self.keep = keep

    @property
    def output_grid(self) -> tuple[int, int]:
        """What is left, which is no grid any more."""
        return 1, math.ceil(self.grid[0] * self.grid[1] * self.keep)

    def configure_model(self) -> None:
        """Build the layers; a second call does nothing."""
        if not hasattr(self, "layers"):
            self.layers = mlp(self.vision_dim, self.text_dim, depth=2)

    def forward(self, features: PatchFeatures) -> VisualTokens:
        """Merge, then project."""
        return self.layers(merge_tokens(features, self.num_tokens))


def merge_tokens(features: PatchFeatures, num_tokens: int) -> MergedFeatures:
    """Merge until `num_tokens` are left."""
    count, present, _ = features.shape
    sizes = features.new_ones(count, present, 1)
    places = torch.arange(present, device=features.device).expand(count, -1)
    while features.shape[1] > num_tokens:
        surplus = min(features.shape[1] - num_tokens, features.shape[1] // 2)
        features, sizes, places = _merge_once(features, sizes, places, surplus)
    return features


def _merge_once(
    features: PatchFeatures,
    sizes: Float[Tensor, "image patch 1"],
    places: Int[Tensor, "image patch"],
    surplus: int,
) -> tuple[MergedFeatures, Float[Tensor, "image left 1"], Int[Tensor, "image left"]]:
    """Merge the `surplus` best pairs of an even and an odd token."""
    direction = normalize(features.detach(), dim=-1)
    likeness, partner = (direction[:, ::2] @ direction[:, 1::2].mT).max(dim=-1)
    order = likeness.argsort(dim=-1, descending=True, stable=True)
    merged, left = order[:, :surplus], order[:, surplus:]
    target = partner.gather(1, merged)

    def combine(values: Tensor) -> Tensor:
        """Add the merged even tokens to their odd partners; put the even ones that are left beside them."""
        even, odd = values[:, ::2], values[:, 1::2]
        leaving = even.gather(1, _over(merged, values))
        return torch.cat(
            [even.gather(1, _over(left, values)), odd.scatter_add(1, _over(target, values), leaving)], dim=1
        )

    totals = combine(sizes)
    means = combine(features * sizes) / totals
    new_places = torch.cat([places[:, ::2].gather(1, left), places[:, 1::2]], dim=1)
    raster = new_places.argsort(dim=-1)
    return (
        means.gather(1, _over(raster, means)),
        totals.gather(1, _over(raster, totals)),
        new_places.gather(1, raster),
    )


def _over(index: Tensor, values: Tensor) -> Tensor:
    """Give an index of tokens the size of their last dimension, as gather wants it."""
    return index.unsqueeze(-1).expand(-1, -1, values.shape[-1])
