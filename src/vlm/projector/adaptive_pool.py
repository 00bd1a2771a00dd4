"""Average neighbouring patches, then project."""

from collections.abc import Sequence

from torch import nn
from torch.nn.functional import adaptive_avg_pool2d

from vlm.projector.base import Projector
from vlm.projector.grid import reduced, to_map, to_patches
from vlm.projector.mlp import mlp
from vlm.shapes import PatchFeatures, VisualTokens


class AdaptivePoolProjector(Projector):
    """Adaptive average pooling and two linear layers (DeCo, Yao et al. 2024, arXiv:2405.20985).

    Args:
        vision_dim: Size of a patch feature.
        text_dim: Size of an LLM embedding.
        grid: Rows and columns of patches.
        factor: How many times fewer rows and columns; windows overlap where it does not divide the grid.
    """

    def __init__(self, vision_dim: int, text_dim: int, grid: Sequence[int], factor: int) -> None:
        super().__init__(vision_dim, text_dim, grid)
        self._output_grid = reduced(self.grid, factor)

    @property
    def output_grid(self) -> tuple[int, int]:
        """One token for each window."""
        return self._output_grid

    def configure_model(self) -> None:
        """Build the layers; a second call does nothing."""
        if not hasattr(self, "layers"):
            self.layers: nn.Sequential = mlp(self.vision_dim, self.text_dim, depth=2)

    def forward(self, features: PatchFeatures) -> VisualTokens:
        """Pool, then project."""
        pooled = adaptive_avg_pool2d(to_map(features, self.grid), self.output_grid)
        return self.layers(to_patches(pooled))
