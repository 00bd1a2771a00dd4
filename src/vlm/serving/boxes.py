"""Which part of a picture each of its tiles shows."""

import io

from PIL import Image

from vlm.data.image import ImageTransform
from vlm.data.tiles import choose_grid

Box = tuple[float, float, float, float]
"""Left, top, right and bottom, as shares of a picture's width and height; below 0 and above 1 is padding."""


def boxes_of_tiles(transform: ImageTransform, encoded: bytes) -> list[Box]:
    """Return the box of each tile that a picture becomes.

    Args:
        transform: Cuts the tiles.
        encoded: The picture; its header is read.
    """
    width, height = Image.open(io.BytesIO(encoded)).size
    if transform.mode == "anyres":
        return [(0.0, 0.0, 1.0, 1.0), *_boxes_of_grid(transform, width, height)]
    side = {"pad": max(width, height), "crop": min(width, height)}.get(transform.mode)
    if side is None:  # resized, its ratio lost
        return [(0.0, 0.0, 1.0, 1.0)]
    left, top = (width - side) / 2, (height - side) / 2
    return [(left / width, top / height, (left + side) / width, (top + side) / height)]


def _boxes_of_grid(transform: ImageTransform, width: int, height: int) -> list[Box]:
    """Return those of the tiles on the canvas in whose middle the picture lies."""
    rows, columns = choose_grid(width, height, transform.size, transform.grids)
    across, down = columns * transform.size, rows * transform.size
    scale = min(across / width, down / height)
    left, top = (across - width * scale) / 2, (down - height * scale) / 2

    def share(place: int, margin: float, length: int) -> float:
        return (place * transform.size - margin) / (length * scale)

    return [
        (share(column, left, width), share(row, top, height),
         share(column + 1, left, width), share(row + 1, top, height))
        for row in range(rows)
        for column in range(columns)
    ]  # fmt: skip
