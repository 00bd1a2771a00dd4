"""One encoder that looks at a picture at several sizes."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from einops import rearrange
from torch import nn
from torch.nn.functional import interpolate

from vlm.encoder.base import Encoder
from vlm.shapes import FeatureMap, PatchFeatures, Pixels


class MultiScaleEncoder(Encoder):
    """Scaling on scales, S2 (Shi et al. 2024, arXiv:2403.13043).

    At scale n the picture is n times as wide, is cut into n x n squares of the encoder's size, and the
    squares' features, laid out together, are averaged down to the encoder's grid. All scales' features of
    a place stand side by side: as many visual tokens, each with more to say.

    Args:
        encoder: The one that looks.
        scales: Whole multiples of its image size, ascending.

    Raises:
        ValueError: The scales are not such, or the encoder gives no grid.
    """

    def __init__(self, encoder: Encoder, scales: Sequence[int]) -> None:
        super().__init__(encoder.mean, encoder.std, encoder.licence)
        if not scales or list(scales) != sorted(set(scales)) or scales[0] < 1:
            raise ValueError(f"encoder.scales must be whole, at least 1 and ascending, got {list(scales)}")
        if encoder.grid[0] == 1:
            raise ValueError("encoder.encoder gives no grid; set its class_token to false")
        self.scales = list(scales)
        self.network = encoder

    @classmethod
    def twin(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings; the encoder is a twin already."""
        return dict(settings)

    @property
    def _encoder(self) -> Encoder:
        return self.network  # type: ignore[return-value]

    def locate(self) -> None:
        """Find the encoder's files."""
        self._encoder.locate_as("encoder.encoder")

    @property
    def vision_dim(self) -> int:
        """Of all scales."""
        return self._encoder.vision_dim * len(self.scales)

    @property
    def source(self) -> str:
        """The encoder's."""
        return self._encoder.source

    @property
    def image_size(self) -> int:
        """The largest scale's."""
        return self._encoder.image_size * self.scales[-1]

    @property
    def grid(self) -> tuple[int, int]:
        """The encoder's own."""
        return self._encoder.grid

    @property
    def blocks(self) -> list[Sequence[nn.Module]]:
        """The encoder's."""
        return self._encoder.blocks

    def configure_model(self) -> None:
        """Build the encoder; a second call does nothing."""
        self._encoder.configure_model()

    def forward(self, pixels: Pixels) -> PatchFeatures:
        """Look at every scale, and put what is seen of a place side by side."""
        maps = [self._see(pixels, scale) for scale in self.scales]
        return rearrange(torch.cat(maps, dim=1), "image dim row column -> image (row column) dim")

    def _see(self, pixels: Pixels, scale: int) -> FeatureMap:
        size = self._encoder.image_size * scale
        if pixels.shape[-1] != size:
            pixels = interpolate(pixels, (size, size), mode="bicubic", align_corners=False)
        squares = rearrange(
            pixels, "image c (y row) (x column) -> (image y x) c row column", y=scale, x=scale
        )
        features = rearrange(
            self._encoder(squares),
            "(image y x) (row column) dim -> image dim (y row) (x column)",
            y=scale, x=scale, row=self.grid[0],
        )  # fmt: skip
        return interpolate(features, self.grid, mode="area")
