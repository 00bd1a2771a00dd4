"""Any resolution: a picture cut into tiles, and the order in which their visual tokens are read.

As LLaVA-NeXT does (Liu et al. 2024, "LLaVA-NeXT: Improved reasoning, OCR, and world knowledge"), and
LLaVA-1.5-HD (Liu et al. 2023, arXiv:2310.03744, appendix A.1).
"""

import math
from collections.abc import Sequence
from fractions import Fraction

import torch
from PIL import Image

from vlm.shapes import VisualIndex

ROW_END = -1
"""The place, in an index into visual tokens, of the learned vector that ends a row."""

MERGES = ("flat", "spatial", "unpad")
"""Orders in which the visual tokens of tiles can be read."""

Grid = tuple[int, int]
"""Rows and columns."""


def choose_grid(width: int, height: int, size: int, grids: Sequence[Grid]) -> Grid:
    """Return the grid of tiles whose canvas keeps most of a picture's pixels; of equals, the smallest.

    Args:
        width: Of the picture, in pixels.
        height: Of the picture, in pixels.
        size: Side of a tile, in pixels.
        grids: To choose from; of equals of one size, the first.
    """

    def merit(grid: Grid) -> tuple[int, int]:
        rows, columns = grid
        scale = _scale(width, height, columns * size, rows * size)
        kept = min(int(width * scale) * int(height * scale), width * height)
        return kept, kept - rows * columns * size**2

    return max(grids, key=merit)


def cut_tiles(image: Image.Image, grid: Grid, size: int) -> list[Image.Image]:
    """Return the whole picture squashed into one tile, then its tiles, row by row, on a black canvas."""
    rows, columns = grid
    canvas = Image.new("RGB", (columns * size, rows * size))
    scale = _scale(*image.size, *canvas.size)
    across, down = math.ceil(image.width * scale), math.ceil(image.height * scale)
    resized = image.resize((across, down), Image.Resampling.BICUBIC)
    canvas.paste(resized, ((canvas.width - across) // 2, (canvas.height - down) // 2))
    corners = [(column * size, row * size) for row in range(rows) for column in range(columns)]
    tiles = [canvas.crop((left, top, left + size, top + size)) for left, top in corners]
    return [image.resize((size, size), Image.Resampling.BICUBIC), *tiles]


def index_tiles(token_grid: Grid, grid: Grid, picture: tuple[int, int], merge: str) -> VisualIndex:
    """Return the order in which the visual tokens of a picture's tiles are read.

    Args:
        token_grid: Of the visual tokens of one tile.
        grid: Of the tiles; the whole picture's own tile comes before them.
        picture: Width and height, in pixels.
        merge: `flat` reads tile after tile; `spatial` reads the rows of the whole grid; `unpad` leaves out
            of these what shows the canvas alone, and ends each row with `ROW_END`.
    """
    (rows, columns), (down, across) = token_grid, grid
    per_tile = rows * columns
    tokens = torch.arange((1 + down * across) * per_tile)
    if merge == "flat":
        return tokens
    base, tiles = tokens[:per_tile], tokens[per_tile:]
    # tile row, tile column, row, column -> rows of the whole grid
    whole = tiles.view(down, across, rows, columns).transpose(1, 2).reshape(down * rows, across * columns)
    if merge == "unpad":
        whole = unpad(whole, *picture)
        whole = torch.cat([whole, torch.full((len(whole), 1), ROW_END)], dim=1)
    return torch.cat([base, whole.flatten()])


def unpad(grid: torch.Tensor, width: int, height: int) -> torch.Tensor:
    """Return the middle of a grid (..., row, column) that shows a picture and not the canvas around it."""
    rows, columns = grid.shape[-2:]
    scale = _scale(width, height, columns, rows)
    # Rounded down where the pixels were rounded up, as LLaVA does.
    top, left = (rows - int(height * scale)) // 2, (columns - int(width * scale)) // 2
    return grid[..., top : rows - top, left : columns - left]


def _scale(width: int, height: int, most_across: int, most_down: int) -> Fraction:
    """Return by how much a picture grows to fill a canvas; exact, so that no rounding goes astray."""
    return min(Fraction(most_across, width), Fraction(most_down, height))
