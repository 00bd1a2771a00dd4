"""Pictures that strangers send: looked at before they are decoded."""

import base64
import binascii
import io
from dataclasses import dataclass

from PIL import Image

from vlm.serving.errors import RequestError

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
"""Whose decoders are asked at all."""
MOST_RATIO = 100
"""Of the long side to the short one: to prepare a thin picture may take its ratio times a square."""
MIB = 2**20


@dataclass(frozen=True)
class PictureLimits:
    """How large a picture may be.

    Args:
        mib: Of its file.
        megapixels: Of the picture; and a square of its longest side may have twice as many, since pictures
            are padded to squares.
    """

    mib: int | float
    megapixels: int | float


def read_data_url(url: str, limits: PictureLimits) -> bytes:
    """Return the file in a data URL.

    Raises:
        RequestError: It is none, or damaged, or too large.
    """
    head, comma, data = url.partition(",")
    kind = head.removeprefix("data:").split(";")
    if not comma or not kind[0].startswith("image/") or kind[-1] != "base64":
        raise refuse("a picture's data URL must begin with data:image/FORMAT;base64,", "invalid_image_url")
    if len(data) * 3 / 4 > limits.mib * MIB + 3:
        raise refuse(f"a picture's file is larger than {limits.mib:g} MiB", "image_too_large")
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise refuse(f"a picture's base64 is damaged: {error}", "invalid_base64") from error


def check_picture(encoded: bytes, limits: PictureLimits) -> None:
    """Look at a picture's header; nothing is decoded.

    Raises:
        RequestError: It is none, of a format that is not read, or too large.
    """
    try:
        with Image.open(io.BytesIO(encoded), formats=FORMATS) as image:
            width, height = image.size
    except Image.DecompressionBombError as error:
        raise refuse(
            f"a picture has more than {limits.megapixels:g} megapixels", "image_too_large"
        ) from error
    except Exception as error:  # decoders raise all kinds of things over what is no picture
        raise refuse(
            f"a picture cannot be read; send one of {', '.join(FORMATS)}", "invalid_image"
        ) from error
    most = limits.megapixels * 1e6
    if width * height > most or max(width, height) ** 2 > 2 * most:
        raise refuse(
            f"a picture of {width}x{height} pixels is too large; the limit is {limits.megapixels:g} "
            "megapixels, and twice as many in a square around it",
            "image_too_large",
        )
    if max(width, height) > MOST_RATIO * min(width, height):
        raise refuse(
            f"a picture of {width}x{height} pixels is too thin; the limit is {MOST_RATIO} to 1",
            "image_too_large",
        )


def refuse(message: str, code: str) -> RequestError:
    """Return the error of a picture that is not read."""
    return RequestError(400, message, "messages", code)
