"""A projector turns patch features into visual tokens in the LLM's embedding space."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import lightning

from vlm.shapes import PatchFeatures, VisualTokens


class Projector(lightning.LightningModule):
    """The contract of every projector.

    Args:
        vision_dim: Size of a patch feature.
        text_dim: Size of an LLM embedding.
        grid: Rows and columns of patches.
    """

    def __init__(self, vision_dim: int, text_dim: int, grid: Sequence[int]) -> None:
        super().__init__()
        self.vision_dim, self.text_dim = vision_dim, text_dim
        self.grid: tuple[int, int] = (grid[0], grid[1])

    @classmethod
    def twin(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings of a small projector of the same wiring; most are as small as their sizes."""
        return dict(settings)

    @property
    @abstractmethod
    def output_grid(self) -> tuple[int, int]:
        """Rows and columns of visual tokens; one row where their order is not one of places."""

    @property
    def num_tokens(self) -> int:
        """How many visual tokens the grid becomes."""
        rows, columns = self.output_grid
        return rows * columns

    @abstractmethod
    def forward(self, features: PatchFeatures) -> VisualTokens:
        """Return the visual tokens of each grid."""
