"""Linear layers with GELU between: the connectors of LLaVA and LLaVA-1.5."""

from collections.abc import Sequence

from torch import nn

from vlm.projector.base import Projector
from vlm.shapes import PatchFeatures, VisualTokens


class MLPProjector(Projector):
    """One visual token for each patch (Liu et al. 2023, arXiv:2304.08485 and arXiv:2310.03744).

    Args:
        vision_dim: Size of a patch feature.
        text_dim: Size of an LLM embedding, and of the layers between.
        grid: Rows and columns of patches.
        depth: Linear layers; 1 is LLaVA's connector, 2 is LLaVA-1.5's.

    Raises:
        ValueError: The depth is below 1.
    """

    def __init__(self, vision_dim: int, text_dim: int, grid: Sequence[int], depth: int) -> None:
        super().__init__(vision_dim, text_dim, grid)
        if depth < 1:
            raise ValueError(f"projector.depth must be at least 1, got {depth}")
        self.depth = depth

    @property
    def output_grid(self) -> tuple[int, int]:
        """One token for each patch."""
        return self.grid

    def configure_model(self) -> None:
        """Build the layers; a second call does nothing."""
        if not hasattr(self, "layers"):
            self.layers = mlp(self.vision_dim, self.text_dim, self.depth)

    def forward(self, features: PatchFeatures) -> VisualTokens:
        """Project each patch by itself."""
        return self.layers(features)


def mlp(input_dim: int, output_dim: int, depth: int) -> nn.Sequential:
    """Return linear layers with PyTorch's initialisation and LLaVA's numbers: 0, 2, 4, ..."""
    layers: list[nn.Module] = [nn.Linear(input_dim, output_dim)]
    for _ in range(depth - 1):
        layers += [nn.GELU(), nn.Linear(output_dim, output_dim)]
    return nn.Sequential(*layers)
