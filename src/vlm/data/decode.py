"""An encoded picture to its bytes of color."""

import io
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torchvision.io import ImageReadMode, decode_jpeg

Pixels = NDArray[np.uint8]
"""Rows, columns, and three channels."""
_JPEG = b"\xff\xd8"


def decode(encoded: bytes) -> Pixels:
    """Return a picture's pixels, as Pillow gives them.

    A JPEG is read by torchvision: the same libjpeg-turbo and the same pixels, without Pillow's two copies,
    in two thirds of its time. What torchvision refuses, Pillow decides on.

    Raises:
        OSError: The bytes are no whole picture.
    """
    if encoded.startswith(_JPEG):
        try:
            # A copy of the file: torch must not be handed read-only memory.
            file: Any = torch.frombuffer(bytearray(encoded), dtype=torch.uint8)
            return decode_jpeg(file, ImageReadMode.RGB).permute(1, 2, 0).numpy()
        except RuntimeError:
            pass
    return np.array(Image.open(io.BytesIO(encoded)).convert("RGB"))


def why_broken(error: Exception) -> str:
    """Return what is wrong with a picture that cannot be decoded."""
    return "it is no picture" if isinstance(error, UnidentifiedImageError) else str(error)
