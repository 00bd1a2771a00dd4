"""A picture to tiles: squares of the encoder's size, of bytes; the encoder normalises them in one batch."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from vlm.data.decode import decode
from vlm.data.tiles import MERGES, Grid, choose_grid, cut_tiles, index_tiles
from vlm.shapes import Tiles, VisualIndex


@dataclass(frozen=True)
class Picture:
    """A picture, prepared.

    Args:
        tiles: Its squares; one, or the whole picture and its parts.
        index: Which visual tokens of the tiles are read, in order; -1 ends a row.
    """

    tiles: Tiles
    index: VisualIndex


@dataclass(frozen=True)
class Room:
    """What a picture takes, known without decoding it.

    Args:
        tiles: Squares.
        tokens: Places in a row, its ends of rows among them.
    """

    tiles: int
    tokens: int


class ImageTransform:
    """Decode, make square, resize; as LLaVA prepares pictures for CLIP.

    Args:
        size: Side of the square, in pixels.
        mean: Of each channel, in [0, 1]: the color around a padded picture.
        token_grid: Rows and columns of the visual tokens that one square becomes.
        mode: `crop` the center after resizing the shortest side; `pad` to a square in the mean color;
            `resize` and lose the ratio; `anyres` cuts tiles, and puts the whole picture before them.
        grids: Rows and columns of tiles that `anyres` chooses from.
        merge: How `anyres` reads the tiles' visual tokens: `flat`, `spatial` or `unpad`.

    Raises:
        ValueError: No such mode or merge; or `anyres` has no grid, or must read the rows of visual tokens
            that have no place.
    """

    def __init__(
        self,
        size: int,
        mean: Sequence[float],
        token_grid: Grid,
        mode: str,
        grids: Sequence[Sequence[int]] = (),
        merge: str = "flat",
    ) -> None:
        self.size, self.mean, self.token_grid = size, tuple(mean), token_grid
        self.mode, self.merge = mode, merge
        for key, value, known in (("mode", mode, [*_SQUARE, "anyres"]), ("merge", merge, MERGES)):
            if value not in known:
                raise ValueError(f"stage.image.{key} must be one of {', '.join(known)}, got {value}")
        self.grids = [_grid(grid) for grid in grids]
        if mode != "anyres":
            return
        if not self.grids:
            raise ValueError("stage.image.grids is empty; give rows and columns of tiles: [[1,2],[2,1]]")
        rows, columns = token_grid
        if merge != "flat" and rows == 1 < columns:
            raise ValueError(
                f"stage.image.merge={merge} reads rows of visual tokens, and a tile's {columns} are no grid; "
                "set stage.image.merge=flat, or choose a projector that keeps places"
            )

    def __call__(self, encoded: bytes) -> Picture:
        """Return one encoded picture, prepared.

        Raises:
            OSError: The bytes are no whole picture.
        """
        pixels = decode(encoded)
        if self.mode != "anyres" and pixels.shape[:2] == (self.size, self.size):  # nothing to do in any mode
            return Picture(torch.from_numpy(pixels)[None], torch.arange(self.tokens_per_tile))
        image = Image.fromarray(pixels)
        if self.mode == "anyres":
            grid = choose_grid(*image.size, self.size, self.grids)
            squares = cut_tiles(image, grid, self.size)
            index = index_tiles(self.token_grid, grid, image.size, self.merge)
        else:
            squares = [_SQUARE[self.mode](self, image)]
            index = torch.arange(self.tokens_per_tile)
        # A copy: torch must not be handed the read-only memory of PIL.
        return Picture(torch.from_numpy(np.stack([np.asarray(square) for square in squares])), index)

    @property
    def reads_sizes(self) -> bool:
        """Whether the room that a picture takes depends on its size."""
        return self.mode == "anyres"

    @property
    def measured_by(self) -> list[Any]:
        """Everything that the room of a picture depends on."""
        return [self.token_grid, *((self.size, self.grids, self.merge) if self.reads_sizes else ())]

    def room(self, encoded: bytes) -> Room:
        """Return what a picture takes; only its header is read, and that only where its size matters.

        Raises:
            OSError: The header is damaged.
        """
        if not self.reads_sizes:
            return Room(1, self.tokens_per_tile)
        size = Image.open(io.BytesIO(encoded)).size
        rows, columns = grid = choose_grid(*size, self.size, self.grids)
        return Room(1 + rows * columns, len(index_tiles(self.token_grid, grid, size, self.merge)))

    @property
    def tokens_per_tile(self) -> int:
        """Visual tokens that one square becomes."""
        rows, columns = self.token_grid
        return rows * columns

    def _crop(self, image: Image.Image) -> Image.Image:
        width, height = image.size
        scale = self.size / min(width, height)
        # Truncated, not rounded, as torchvision and transformers do.
        resized = _resize(image, max(self.size, int(width * scale)), max(self.size, int(height * scale)))
        left, top = (resized.width - self.size) // 2, (resized.height - self.size) // 2
        return resized.crop((left, top, left + self.size, top + self.size))

    def _pad(self, image: Image.Image) -> Image.Image:
        side = max(image.size)
        if image.size == (side, side):
            return _resize(image, self.size, self.size)
        # Truncated, as LLaVA's expand2square does: 122 116 104 for CLIP.
        canvas = Image.new("RGB", (side, side), tuple(int(channel * 255) for channel in self.mean))
        canvas.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
        return _resize(canvas, self.size, self.size)

    def _stretch(self, image: Image.Image) -> Image.Image:
        return _resize(image, self.size, self.size)


_SQUARE = {
    "crop": ImageTransform._crop,
    "pad": ImageTransform._pad,
    "resize": ImageTransform._stretch,
}


def _resize(image: Image.Image, width: int, height: int) -> Image.Image:
    if image.size == (width, height):
        return image
    return image.resize((width, height), Image.Resampling.BICUBIC)


def _grid(pair: Sequence[int]) -> Grid:
    if len(pair) != 2 or min(pair) < 1:
        raise ValueError(f"stage.image.grids must hold rows and columns of at least 1, got {list(pair)}")
    return pair[0], pair[1]
