"""A picture to pixels: a square of the encoder's size, normalised as the encoder learned."""

import io
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor


class ImageTransform:
    """Decode, make square, resize, normalise; as LLaVA prepares pictures for CLIP.

    Args:
        size: Side of the square, in pixels.
        mean: Of each channel, in [0, 1].
        std: Of each channel, in [0, 1].
        mode: `crop` the center after resizing the shortest side; `pad` to a square in the mean color;
            `resize` and lose the ratio.
    """

    def __init__(self, size: int, mean: Sequence[float], std: Sequence[float], mode: str) -> None:
        if mode not in _SQUARE:
            raise ValueError(f"image_mode must be one of {sorted(_SQUARE)}, got {mode}")
        self.size, self.mean, self.std, self.mode = size, tuple(mean), tuple(std), mode

    def __call__(self, encoded: bytes) -> Float[Tensor, "3 size size"]:
        """Return the pixels of one encoded picture.

        Raises:
            OSError: The bytes are no whole picture.
        """
        image = Image.open(io.BytesIO(encoded)).convert("RGB")
        square = _SQUARE[self.mode](self, image)
        # A copy: torch must not be handed the read-only memory of PIL.
        pixels = torch.from_numpy(np.array(square, dtype=np.float32) / 255.0)
        normalised = (pixels - torch.tensor(self.mean)) / torch.tensor(self.std)
        return normalised.permute(2, 0, 1).contiguous()

    def _crop(self, image: Image.Image) -> Image.Image:
        width, height = image.size
        scale = self.size / min(width, height)
        # Truncated, not rounded, as torchvision and transformers do.
        resized = _resize(image, max(self.size, int(width * scale)), max(self.size, int(height * scale)))
        left, top = (resized.width - self.size) // 2, (resized.height - self.size) // 2
        return resized.crop((left, top, left + self.size, top + self.size))

    def _pad(self, image: Image.Image) -> Image.Image:
        side = max(image.size)
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
