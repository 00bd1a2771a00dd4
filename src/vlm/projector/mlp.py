"""Linear layers with GELU between: the connectors of LLaVA and LLaVA-1.5."""

from torch import nn

from vlm.projector.base import Projector
from vlm.shapes import PatchFeatures, VisualTokens


class MLPProjector(Projector):
    """One visual token for each patch (Liu et al. 2023, arXiv:2304.08485 and arXiv:2310.03744).

    The layers have PyTorch's default initialisation and LLaVA's numbers: 0, 2, 4, ...

    Args:
        vision_dim: Size of a patch feature.
        text_dim: Size of an LLM embedding, and of the layers between.
        depth: Linear layers; 1 is LLaVA's connector, 2 is LLaVA-1.5's.

    Raises:
        ValueError: The depth is below 1.
    """

    def __init__(self, vision_dim: int, text_dim: int, depth: int) -> None:
        super().__init__(vision_dim, text_dim)
        if depth < 1:
            raise ValueError(f"projector.depth must be at least 1, got {depth}")
        self.depth = depth

    def num_tokens(self, grid: tuple[int, int]) -> int:
        """One for each patch."""
        return grid[0] * grid[1]

    def configure_model(self) -> None:
        """Build the layers; a second call does nothing."""
        if hasattr(self, "layers"):
            return
        layers: list[nn.Module] = [nn.Linear(self.vision_dim, self.text_dim)]
        for _ in range(self.depth - 1):
            layers += [nn.GELU(), nn.Linear(self.text_dim, self.text_dim)]
        self.layers = nn.Sequential(*layers)

    def forward(self, features: PatchFeatures) -> VisualTokens:
        """Project each patch by itself."""
        return self.layers(features)
