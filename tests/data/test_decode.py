"""Decoding: the pixels that Pillow gives, whoever decodes."""

import io

import numpy as np
import pytest
from PIL import Image

from tests.conftest import SHARED
from vlm.data.decode import decode, why_broken


def noise(mode: str, size: tuple[int, int] = (37, 53)) -> Image.Image:
    """A picture with every frequency in it."""
    array = np.random.default_rng(7).integers(0, 256, (*size, 3), dtype=np.uint8)
    return Image.fromarray(array).convert(mode)


def encoded(image: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


def by_pillow(file: bytes) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(file)).convert("RGB"))


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("subsampling", [0, 2])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_pixels_are_pillows(mode: str, subsampling: int, progressive: bool) -> None:
    options = {} if mode == "L" else {"subsampling": subsampling}
    file = encoded(noise(mode), progressive=progressive, quality=80, **options)
    assert np.array_equal(decode(file), by_pillow(file))


def test_a_turned_photo_stays_as_it_is_stored() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees, which neither LLaVA nor Pillow does by itself
    file = encoded(noise("RGB"), exif=exif)
    assert decode(file).shape == (37, 53, 3)


@pytest.mark.skipif(not SHARED.exists(), reason="the photos are not here")
def test_photos_are_pillows() -> None:
    photos = sorted((SHARED / "coco128").rglob("*.jpg"))
    assert photos
    assert all(np.array_equal(decode(path.read_bytes()), by_pillow(path.read_bytes())) for path in photos)


@pytest.mark.parametrize("cut", [2, 20, 700])
def test_a_cut_off_jpeg_is_broken(cut: int) -> None:
    with pytest.raises(OSError) as caught:  # noqa: PT011 (Pillow has many words for it)
        decode(encoded(noise("RGB"))[:cut])
    assert why_broken(caught.value)


def test_what_is_no_picture_is_said() -> None:
    with pytest.raises(OSError) as caught:  # noqa: PT011 (the words are tested next)
        decode(b"<html>404</html>")
    assert why_broken(caught.value) == "it is no picture"
