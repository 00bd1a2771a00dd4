"""Pixels: right size, right place, right values."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from vlm.data.image import ImageTransform

MEAN, STD = (0.1, 0.2, 0.3), (0.5, 0.25, 0.2)


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


def unnormalise(pixels: torch.Tensor) -> torch.Tensor:
    return pixels * torch.tensor(STD)[:, None, None] + torch.tensor(MEAN)[:, None, None]


def test_values_are_normalised_channel_by_channel() -> None:
    pixels = ImageTransform(4, MEAN, STD, "crop")(encode(np.full((4, 4, 3), 255)))
    expected = [(1 - mean) / std for mean, std in zip(MEAN, STD, strict=True)]
    assert torch.allclose(pixels, torch.tensor(expected)[:, None, None].expand(3, 4, 4))


def test_crop_keeps_the_center() -> None:
    colors = unnormalise(ImageTransform(20, MEAN, STD, "crop")(wide(120, 40)))
    assert torch.allclose(colors[1], torch.ones(20, 20), atol=0.1)


def test_pad_keeps_everything_on_the_mean_color() -> None:
    colors = unnormalise(ImageTransform(30, MEAN, STD, "pad")(wide(90, 30)))
    assert torch.allclose(colors[:, 0, 0], torch.tensor(MEAN), atol=1 / 255)
    middle = colors[:, 15]
    assert [int(middle[:, column].argmax()) for column in (3, 15, 27)] == [0, 1, 2]


def test_resize_loses_the_ratio() -> None:
    colors = unnormalise(ImageTransform(30, MEAN, STD, "resize")(wide(90, 30)))
    assert [int(colors[:, 0, column].argmax()) for column in (3, 15, 27)] == [0, 1, 2]


@pytest.mark.parametrize("mode", ["crop", "pad", "resize"])
@pytest.mark.parametrize("size", [(1, 50), (50, 1), (7, 9), (24, 24)])
def test_every_shape_becomes_the_square(mode: str, size: tuple[int, int]) -> None:
    assert ImageTransform(24, MEAN, STD, mode)(wide(*size)).shape == (3, 24, 24)


def test_gray_and_transparent_pictures_are_read() -> None:
    for kind in ("L", "RGBA", "P", "1"):
        file = io.BytesIO()
        Image.new(kind, (10, 10)).save(file, "PNG")
        assert ImageTransform(8, MEAN, STD, "pad")(file.getvalue()).shape == (3, 8, 8)


def test_an_unknown_mode_is_named() -> None:
    with pytest.raises(ValueError, match=r"image_mode.*squash"):
        ImageTransform(8, MEAN, STD, "squash")
