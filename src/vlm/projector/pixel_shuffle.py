"""Space to depth: neighbouring patches become one longer feature."""

from collections.abc import Sequence

from einops import rearrange
from torch import nn
from torch.nn.functional import pad

from vlm.projector.base import Projector
from vlm.projector.grid import reduced, to_map
from vlm.shapes import PatchFeatures, VisualTokens


class PixelShuffleProjector(Projector):
    """Concatenate blocks of patches, normalise, project (InternVL 1.5, Chen et al. 2024, arXiv:2404.16821).

    A grid that the factor does not divide is padded with zeros at its right and bottom (as in VILA,
    arXiv:2312.07533).

    Args:
        vision_dim: Size of a patch feature.
        text_dim: Size of an LLM embedding.
        grid: Rows and columns of patches.
        factor: Side of a block, in patches; tokens fall by its square.
    """

    def __init__(self, vision_dim: int, text_dim: int, grid: Sequence[int], factor: int) -> None:
        super().__init__(vision_dim, text_dim, grid)
        self.factor = factor
        self._output_grid = reduced(self.grid, factor)

    @property
    def output_grid(self) -> tuple[int, int]:
        """One token for each block."""
        return self._output_grid

    def configure_model(self) -> None:
        """Build the layers; a second call does nothing."""
        if hasattr(self, "layers"):
            return
        block_dim = self.vision_dim * self.factor**2
        self.layers = nn.Sequential(
            nn.LayerNorm(block_dim),
            nn.Linear(block_dim, self.text_dim),
            nn.GELU(),
            nn.Linear(self.text_dim, self.text_dim),
        )

    def forward(self, features: PatchFeatures) -> VisualTokens:
        """Project each block."""
        (rows, columns), (new_rows, new_columns) = self.grid, self.output_grid
        missing = (0, new_columns * self.factor - columns, 0, new_rows * self.factor - rows)
        blocks = rearrange(
            pad(to_map(features, self.grid), missing),
            "image dim (row y) (column x) -> image (row column) (y x dim)",
            y=self.factor,
            x=self.factor,
        )
        return self.layers(blocks)
