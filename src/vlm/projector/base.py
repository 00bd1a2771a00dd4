"""A projector turns patch features into visual tokens in the LLM's embedding space."""

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import lightning
import torch
from torch import nn

from vlm.shapes import PatchFeatures, VisualTokens


class Projector(lightning.LightningModule):
    """The contract of every projector.

    Args:
        vision_dim: Size of a patch feature.
        text_dim: Size of an LLM embedding.
        grid: Rows and columns of patches.

    Attributes:
        row_end: The learned vector that ends each row of a picture's visual tokens, where pictures are cut
            into tiles.
    """

    row_end: nn.Parameter | None

    def __init__(self, vision_dim: int, text_dim: int, grid: Sequence[int]) -> None:
        super().__init__()
        self.vision_dim, self.text_dim = vision_dim, text_dim
        self.grid: tuple[int, int] = (grid[0], grid[1])
        self.register_parameter("row_end", None)

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

    def add_row_end(self) -> None:
        """Give it a `row_end`, drawn as LLaVA-NeXT draws it; a second call does nothing."""
        if self.row_end is None:
            self.row_end = nn.Parameter(torch.randn(self.text_dim) / math.sqrt(self.text_dim))

    @abstractmethod
    def forward(self, features: PatchFeatures) -> VisualTokens:
        """Return the visual tokens of each grid."""
