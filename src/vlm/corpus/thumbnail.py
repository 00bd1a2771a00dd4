"""Pictures small enough to lie inside a page."""

import base64
import io

from PIL import Image

THUMBNAIL = 360  # pixels, of the longer side


def thumbnail(encoded: bytes) -> str:
    """Return a small copy of a picture as an address that holds it; empty if it cannot be decoded."""
    try:
        image = Image.open(io.BytesIO(encoded)).convert("RGB")
    except OSError:
        return ""
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    file = io.BytesIO()
    image.save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
