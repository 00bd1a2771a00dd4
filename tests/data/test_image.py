"""Pixels: right size, right place, right values."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from vlm.data.image import ImageTransform

MEAN = (0.1, 0.2, 0.3)


def encode(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array.astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def wide(width: int, height: int) -> bytes:
    """Left third red, middle green, right third blue."""
    array = np.zeros((height, width, 3))
    for channel, columns in enumerate(np.array_split(np.arange(width), 3)):
        array[:, columns, channel] = 255
    return encode(array)


def square(size: int, mode: str, encoded: bytes) -> torch.Tensor:
    """The pixels of a picture that is one square."""
    picture = ImageTransform(size, MEAN, (2, 3), mode)(encoded)
    assert picture.index.tolist() == list(range(6))
    [tile] = picture.tiles
    return colors_of(tile)


def colors_of(tile: torch.Tensor) -> torch.Tensor:
    """In [0, 1], channels first."""
    return tile.permute(2, 0, 1) / 255


def test_bytes_are_kept() -> None:
    array = np.arange(48).reshape(4, 4, 3)
    [tile] = ImageTransform(4, MEAN, (1, 1), "crop")(encode(array)).tiles
    assert tile.dtype == torch.uint8
    assert np.array_equal(tile.numpy(), array)


def test_crop_keeps_the_center() -> None:
    colors = square(20, "crop", wide(120, 40))
    assert torch.allclose(colors[1], torch.ones(20, 20), atol=0.1)


def test_pad_keeps_everything_on_the_mean_color() -> None:
    colors = square(30, "pad", wide(90, 30))
    assert torch.allclose(colors[:, 0, 0], torch.tensor(MEAN), atol=1 / 255)
    middle = colors[:, 15]
    assert [int(middle[:, column].argmax()) for column in (3, 15, 27)] == [0, 1, 2]


def test_resize_loses_the_ratio() -> None:
    colors = square(30, "resize", wide(90, 30))
    assert [int(colors[:, 0, column].argmax()) for column in (3, 15, 27)] == [0, 1, 2]


@pytest.mark.parametrize("mode", ["crop", "pad", "resize"])
@pytest.mark.parametrize("size", [(1, 50), (50, 1), (7, 9), (24, 24)])
def test_every_shape_becomes_the_square(mode: str, size: tuple[int, int]) -> None:
    assert square(24, mode, wide(*size)).shape == (3, 24, 24)


def test_gray_and_transparent_pictures_are_read() -> None:
    for kind in ("L", "RGBA", "P", "1"):
        file = io.BytesIO()
        Image.new(kind, (10, 10)).save(file, "PNG")
        assert square(8, "pad", file.getvalue()).shape == (3, 8, 8)


@pytest.mark.parametrize(("mode", "merge"), [("squash", "flat"), ("anyres", "squash")])
def test_what_is_unknown_is_named(mode: str, merge: str) -> None:
    with pytest.raises(ValueError, match=r"stage.image.(mode|merge) must be one of .*, got squash"):
        ImageTransform(8, MEAN, (2, 2), mode, [[1, 2]], merge)


def test_tiles_are_the_whole_picture_and_its_parts() -> None:
    transform = ImageTransform(30, MEAN, (2, 2), "anyres", [[2, 2], [1, 3]], "unpad")
    picture = transform(wide(90, 30))
    colors = [colors_of(tile) for tile in picture.tiles]
    assert [int(colors[0][:, 15, column].argmax()) for column in (3, 15, 27)] == [0, 1, 2]
    assert [int(tile[:, 15, 15].argmax()) for tile in colors[1:]] == [0, 1, 2]
    # The whole, then two rows of three tiles of two columns, each with its end.
    assert picture.index.tolist() == [
        *(0, 1, 2, 3),
        *(4, 5, 8, 9, 12, 13, -1),
        *(6, 7, 10, 11, 14, 15, -1),
    ]


@pytest.mark.parametrize(
    ("token_grid", "grids", "message"),
    [
        ((2, 2), [], "stage.image.grids is empty"),
        ((2, 2), [[1, 2, 3]], r"stage.image.grids must hold .*\[1, 2, 3\]"),
        ((2, 2), [[0, 2]], r"stage.image.grids must hold .*\[0, 2\]"),
        ((1, 64), [[1, 2]], "64 are no grid; set stage.image.merge=flat"),
    ],
)
def test_impossible_tiles_are_named(
    token_grid: tuple[int, int], grids: list[list[int]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        ImageTransform(8, MEAN, token_grid, "anyres", grids, "unpad")


def test_tokens_without_places_are_read_tile_by_tile() -> None:
    transform = ImageTransform(30, MEAN, (1, 5), "anyres", [[1, 3]], "flat")
    assert transform(wide(90, 30)).index.tolist() == list(range(20))
