"""A projector turns patch features into visual tokens in the LLM's embedding space."""

from abc import abstractmethod

import lightning

from vlm.shapes import PatchFeatures, VisualTokens


class Projector(lightning.LightningModule):
    """The contract of every projector.

    Args:
        vision_dim: Size of a patch feature.
        text_dim: Size of an LLM embedding.
    """

    def __init__(self, vision_dim: int, text_dim: int) -> None:
        super().__init__()
        self.vision_dim, self.text_dim = vision_dim, text_dim

    @abstractmethod
    def num_tokens(self, grid: tuple[int, int]) -> int:
        """Return how many visual tokens a picture of rows x columns patches becomes."""

    @abstractmethod
    def forward(self, features: PatchFeatures) -> VisualTokens:
        """Return the visual tokens of each picture."""
