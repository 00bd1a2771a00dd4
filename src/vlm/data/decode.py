"""An encoded picture to its bytes of color."""

import io

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

Pixels = NDArray[np.uint8]
"""Rows, columns, and three channels."""
_JPEG = b"\xff\xd8"


def decode(encoded: bytes) -> Pixels:
    """Return a picture's pixels, as Pillow gives them.

    A JPEG goes through simplejpeg: libjpeg-turbo as in Pillow, and the same pixels, but straight into an
    array and in half of the time. What it refuses, and CMYK, whose way to RGB is Pillow's own, Pillow reads.

    Raises:
        OSError: The bytes are no whole picture.
    """
    if encoded.startswith(_JPEG):
        try:
            if simplejpeg.decode_jpeg_header(encoded)[2] not in ("CMYK", "YCCK"):
                return simplejpeg.decode_jpeg(encoded, colorspace="RGB")
        except ValueError:
            pass
    return np.array(Image.open(io.BytesIO(encoded)).convert("RGB"))


def why_broken(error: Exception) -> str:
    """Return what is wrong with a picture that cannot be decoded."""
    return "it is no picture" if isinstance(error, UnidentifiedImageError) else str(error)
