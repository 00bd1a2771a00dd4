"""Several encoders that look at the same picture."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from einops import rearrange
from torch import nn
from torch.nn.functional import interpolate

from vlm.checkpoint import locate_all
from vlm.encoder.base import Encoder
from vlm.shapes import FeatureMap, PatchFeatures, Pixels


class FusedEncoder(Encoder):
    """Features of several encoders, resized to one grid and joined (MoF, Tong et al. 2024, arXiv:2401.06209).

    The picture is prepared once, for the first encoder's colors and the largest image size; the others get
    it resized and in the colors that they learned.

    Args:
        encoders: By a name of their own, in order.
        join: `channel` puts features of a place side by side; `sequence` puts one grid below another;
            `interleaved` puts features of a place one after another.
        grid: Rows and columns; None is the first encoder's.

    Raises:
        ValueError: No such way to join, encoders whose features cannot be laid out so, or too few.
    """

    def __init__(self, encoders: Mapping[str, Encoder], join: str, grid: Sequence[int] | None) -> None:
        parts = list(encoders.values())
        if len(parts) < 2:
            raise ValueError("encoder.encoders must name at least two; choose encoder=NAME for one")
        super().__init__(parts[0].mean, parts[0].std, " and ".join(sorted({part.licence for part in parts})))
        if join not in _JOINS:
            raise ValueError(f"encoder.join must be one of {', '.join(_JOINS)}, got {join}")
        for name, part in encoders.items():
            if part.grid[0] == 1:
                raise ValueError(f"encoder.encoders.{name} gives no grid; set its class_token to false")
        widths = {name: part.vision_dim for name, part in encoders.items()}
        if join != "channel" and len(set(widths.values())) > 1:
            raise ValueError(f"encoder.join={join} needs features of one size, got {widths}; use channel")
        self.join, self.names = join, list(encoders)
        self._grid: tuple[int, int] = (grid[0], grid[1]) if grid else parts[0].grid
        self.network = nn.ModuleList(parts)

    @classmethod
    def twin(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings with the first twin's grid; the encoders are twins already."""
        return {**settings, "grid": None}

    @property
    def _parts(self) -> list[Encoder]:
        return [part for part in self.network.children() if isinstance(part, Encoder)]

    def locate(self) -> None:
        """Find every encoder's files."""
        parts = zip(self.names, self._parts, strict=True)
        locate_all([partial(part.locate_as, f"encoder.encoders.{name}") for name, part in parts])

    @property
    def vision_dim(self) -> int:
        """All features side by side, or each by itself."""
        widths = [part.vision_dim for part in self._parts]
        return sum(widths) if self.join == "channel" else widths[0]

    @property
    def source(self) -> str:
        """Each encoder's."""
        return " and ".join(part.source for part in self._parts)

    @property
    def image_size(self) -> int:
        """The largest."""
        return max(part.image_size for part in self._parts)

    @property
    def grid(self) -> tuple[int, int]:
        """The common grid, as often as the way to join puts it down."""
        rows, columns = self._grid
        many = len(self._parts)
        if self.join == "sequence":
            return many * rows, columns
        return (rows, many * columns) if self.join == "interleaved" else (rows, columns)

    @property
    def blocks(self) -> list[Sequence[nn.Module]]:
        """Each encoder's."""
        return [stack for part in self._parts for stack in part.blocks]

    def configure_model(self) -> None:
        """Build the encoders; a second call does nothing."""
        for part in self._parts:
            part.configure_model()

    def forward(self, pixels: Pixels) -> PatchFeatures:
        """Let each encoder look, and join what it sees."""
        maps = [self._see(part, pixels) for part in self._parts]
        if self.join == "channel":
            return rearrange(torch.cat(maps, dim=1), "image dim row column -> image (row column) dim")
        return rearrange(maps, _JOINS[self.join])

    def _see(self, part: Encoder, pixels: Pixels) -> FeatureMap:
        """Return one encoder's features on the common grid."""
        size = part.image_size
        if size != self.image_size:
            pixels = interpolate(pixels, (size, size), mode="bicubic", align_corners=False, antialias=True)
        if (part.mean, part.std) != (self.mean, self.std):
            mean, std, new_mean, new_std = (
                pixels.new_tensor(values).view(1, 3, 1, 1)
                for values in (self.mean, self.std, part.mean, part.std)
            )
            pixels = (pixels * std + mean - new_mean) / new_std
        features = rearrange(part(pixels), "image (row column) dim -> image dim row column", row=part.grid[0])
        if part.grid == self._grid:
            return features
        return interpolate(features, self._grid, mode="bilinear", align_corners=False, antialias=True)


_JOINS = {
    "channel": "",
    "sequence": "encoder image dim row column -> image (encoder row column) dim",
    "interleaved": "encoder image dim row column -> image (row column encoder) dim",
}
