"""An encoder turns pixels into patch features."""

import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence

import torch
from einops import rearrange
from torch import nn

from vlm.part import Part
from vlm.shapes import PatchFeatures, Pixels, Tiles


class Encoder(Part):
    """The contract of every encoder.

    All sizes are known before the network is built, so that a projector can be planned for it. Nothing in
    an encoder stops gradients: whether it learns is the stage's to say.

    Args:
        mean: Of each channel in [0, 1], as the encoder learned to see.
        std: Of each channel in [0, 1].
        licence: SPDX name or a short text, of the weights.
    """

    network: nn.Module
    """Once built: everything that has weights."""

    def __init__(self, mean: Sequence[float], std: Sequence[float], licence: str) -> None:
        super().__init__(licence)
        self.mean, self.std = tuple(mean), tuple(std)

    def check_colors(self, published: Mapping[str, Sequence[float]], where: str) -> None:
        """Hold `mean` and `std` to what was published with the weights, if anything was.

        Raises:
            ValueError: They differ.
        """
        for key, ours in {"mean": self.mean, "std": self.std}.items():
            theirs = published.get(key, ours)
            if max(abs(a - b) for a, b in zip(ours, theirs, strict=True)) > 1e-3:
                raise ValueError(f"encoder.{key} is {list(ours)}, but {where} says {list(theirs)}")

    def locate_as(self, key: str) -> None:
        """Find the files of an encoder within another, whose own key the messages then name.

        Raises:
            ValueError: As `locate`.
        """
        try:
            self.locate()
        except ValueError as error:
            raise ValueError(re.sub(r"\bencoder\.(?=\w+[ =.])", f"{key}.", str(error))) from error

    def normalise(self, tiles: Tiles) -> Pixels:
        """Return tiles in the colors that the encoder learned to see."""
        mean, std = (
            torch.tensor(values, dtype=torch.float32, device=tiles.device).view(1, 3, 1, 1)
            for values in (self.mean, self.std)
        )
        channels_first = rearrange(tiles, "image height width channel -> image channel height width")
        return ((channels_first.float() / 255.0 - mean) / std).to(self.dtype).contiguous()

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
        """Rows and columns of patches; one row where some features are of no place."""

    @property
    @abstractmethod
    def blocks(self) -> list[Sequence[nn.Module]]:
        """The layers of each transformer in it, first to last, once built."""

    @abstractmethod
    def forward(self, pixels: Pixels) -> PatchFeatures:
        """Return the features of each patch, in raster order."""
