"""Pictures of strangers are measured before they are decoded."""

import base64
import io
import struct
import tracemalloc
import zlib

import pytest
from PIL import Image

from vlm.serving.errors import RequestError
from vlm.serving.pictures import PictureLimits, check_picture, read_data_url

LIMITS = PictureLimits(mib=1, megapixels=2)


def encoded(width: int, height: int, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), (200, 30, 30)).save(file, kind)
    return file.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A picture that claims a size, and holds little."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    data = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_a_picture_passes(kind: str) -> None:
    file = encoded(60, 40, kind)
    url = f"data:image/{kind.lower()};base64,{base64.b64encode(file).decode()}"
    assert read_data_url(url, LIMITS) == file
    check_picture(file, LIMITS)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("data:text/html;base64,PGI+", "invalid_image_url"),
        ("data:image/png,abc", "invalid_image_url"),
        ("data:image/png;base64", "invalid_image_url"),
        ("data:image/png;base64,iVBOR", "invalid_base64"),
        ("data:image/png;base64,iVB*Rw0K", "invalid_base64"),
        ("data:image/png;base64,é", "invalid_base64"),
        ("data:image/png;base64," + "A" * 2_000_000, "image_too_large"),
    ],
)
def test_a_url_that_holds_no_picture_is_refused(url: str, code: str) -> None:
    with pytest.raises(RequestError) as error:
        read_data_url(url, LIMITS)
    assert (error.value.status, error.value.code) == (400, code)
    assert len(error.value.message) < 200, "what was sent is not sent back"


@pytest.mark.parametrize(
    ("file", "code"),
    [
        (png_header(2000, 1001), "image_too_large"),
        (png_header(10_000, 10_000), "image_too_large"),
        (png_header(60_000, 60_000), "image_too_large"),
        (png_header(2001, 21), "image_too_large"),  # a square around it has too many
        (png_header(1010, 10), "image_too_large"),  # thin: its short side would become a square's
        (b"", "invalid_image"),
        (b"\x89PNG\r\n\x1a\n", "invalid_image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "invalid_image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "invalid_image"),
    ],
)
def test_a_bomb_is_refused_by_its_header(file: bytes, code: str) -> None:
    tracemalloc.start()
    with pytest.raises(RequestError) as error:
        check_picture(file, LIMITS)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (error.value.status, error.value.code) == (400, code)
    assert most < 2**20
