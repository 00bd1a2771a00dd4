"""How others prepare pictures, held to what we can do."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vlm.exchange.settings import read_json, require

FILES = ("preprocessor_config.json", "processor_config.json")


def read_processor(folder: Path) -> tuple[Path, dict[str, Any]]:
    """Return what a folder of transformers says of pictures, and the file that says it.

    Raises:
        ValueError: None does; or it resizes other than bicubically, or leaves colors as they are.
    """
    for path in (folder / name for name in FILES):
        found = read_json(path) if path.is_file() else {}
        found = found.get("image_processor", found)
        if "image_mean" in found:
            _check_pixels(path, found)
            return path, found
    raise ValueError(f"{folder} has no {FILES[0]} that says how pictures are prepared; copy it again")


def _check_pixels(path: Path, processor: Mapping[str, Any]) -> None:
    require(path, processor, "resample", (3,), "3 is bicubic")
    require(path, processor, "do_convert_rgb", (True, None))
    for key in ("do_resize", "do_rescale", "do_normalize"):
        require(path, processor, key, (True,))
    factor = processor.get("rescale_factor", 1 / 255)
    if not math.isclose(factor, 1 / 255, rel_tol=1e-6):
        raise ValueError(f"{path} says rescale_factor={factor}, which cannot be read; 1/255 can")


def square_mode(path: Path, processor: Mapping[str, Any], side: int) -> str:
    """Return how a processor makes a picture a square.

    Args:
        path: Of its file.
        processor: What it says.
        side: Of the square that the tower reads, in pixels.

    Raises:
        ValueError: It does what no mode does.
    """
    size, crop = processor.get("size"), processor.get("crop_size")
    squashes = isinstance(size, Mapping) and "height" in size
    crops = processor.get("do_center_crop", not squashes)
    if _sides(size) | (_sides(crop) if crops else set()) != {side}:
        raise ValueError(
            f"{path} says size={size}, crop_size={crop}, which cannot be read; "
            f"{side}, which the tower sees, can"
        )
    # Only LLaVA's own processors know the key.
    if "Llava" in str(processor.get("image_processor_type")) and processor.get("do_pad"):
        return "pad"
    if not squashes and not crops:
        raise ValueError(f"{path} says do_center_crop=False, which cannot be read: it makes no squares")
    return "resize" if squashes else "crop"


def _sides(size: Any) -> set[int]:
    """Return the lengths in a size; old files state one number."""
    return {int(length) for length in (size.values() if isinstance(size, Mapping) else [size]) if length}


def read_grids(path: Path, sizes: Iterable[Sequence[int]], side: int) -> list[list[int]]:
    """Return canvases as rows and columns of tiles.

    Args:
        path: Of the file that states them.
        sizes: Height and width of each, in pixels.
        side: Of a tile, in pixels.

    Raises:
        ValueError: One is no whole number of tiles.
    """
    grids = []
    for height, width in sizes:
        if height % side or width % side:
            raise ValueError(
                f"{path} says image_grid_pinpoints with {height} x {width}, which cannot be read; "
                f"tiles of {side} pixels, which the tower sees, can"
            )
        grids.append([height // side, width // side])
    return grids
