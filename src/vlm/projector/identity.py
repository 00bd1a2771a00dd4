"""No connector: the encoder's features are the visual tokens."""

from collections.abc import Sequence

from vlm.projector.base import Projector
from vlm.shapes import PatchFeatures, VisualTokens


class IdentityProjector(Projector):
    """Hand patch features to the LLM as they are.

    Args:
        vision_dim: Size of a patch feature.
        text_dim: Size of an LLM embedding.
        grid: Rows and columns of patches.

    Raises:
        ValueError: The two sizes differ.
    """

    def __init__(self, vision_dim: int, text_dim: int, grid: Sequence[int]) -> None:
        super().__init__(vision_dim, text_dim, grid)
        if vision_dim != text_dim:
            raise ValueError(
                f"projector=identity needs features of the LLM's size, got {vision_dim} for {text_dim}; "
                "choose projector=linear"
            )

    @property
    def output_grid(self) -> tuple[int, int]:
        """The encoder's."""
        return self.grid

    def forward(self, features: PatchFeatures) -> VisualTokens:
        """Return the features."""
        return features
