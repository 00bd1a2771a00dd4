"""The light-weight downsample projector of MobileVLM."""

from collections.abc import Sequence

from torch import nn
from torch.nn.functional import adaptive_avg_pool2d

from vlm.projector.base import Projector
from vlm.projector.grid import reduced, to_map, to_patches
from vlm.projector.mlp import mlp
from vlm.shapes import PatchFeatures, VisualTokens


class LDPv2Projector(Projector):
    """Project, average neighbours, add a depth-wise convolution (Chu et al. 2024, arXiv:2402.03766).

    Args:
        vision_dim: Size of a patch feature.
        text_dim: Size of an LLM embedding.
        grid: Rows and columns of patches.
        factor: How many times fewer rows and columns; the paper's 24 to 12 is 2.
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
        if hasattr(self, "layers"):
            return
        self.layers = mlp(self.vision_dim, self.text_dim, depth=2)
        self.position = nn.Conv2d(self.text_dim, self.text_dim, 3, padding=1, groups=self.text_dim)

    def forward(self, features: PatchFeatures) -> VisualTokens:
        """Project, pool, and tell each token where it stands."""
        pooled = adaptive_avg_pool2d(to_map(self.layers(features), self.grid), self.output_grid)
        return to_patches(pooled + self.position(pooled))
