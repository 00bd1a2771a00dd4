"""An encoder turns pixels into patch features."""

from abc import abstractmethod
from collections.abc import Sequence

import lightning

from vlm.shapes import PatchFeatures, Pixels


class Encoder(lightning.LightningModule):
    """The contract of every encoder.

    All sizes are known before the network is built, so that a projector can be planned for it.

    Args:
        mean: Of each channel in [0, 1], as the encoder learned to see.
        std: Of each channel in [0, 1].
        licence: SPDX name or a short text, of the weights.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], licence: str) -> None:
        super().__init__()
        self.mean, self.std, self.licence = tuple(mean), tuple(std), licence

    @property
    @abstractmethod
    def vision_dim(self) -> int:
        """Size of a patch feature."""

    @property
    @abstractmethod
    def image_size(self) -> int:
        """Side of the square picture it reads, in pixels."""

    @property
    @abstractmethod
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches."""

    @abstractmethod
    def forward(self, pixels: Pixels) -> PatchFeatures:
        """Return the features of each patch, in raster order."""
