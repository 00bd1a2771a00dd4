"""Boxes in pixels as LLaVA-1.5 writes them, and what is asked about them.

The maintainer says that boxes are relative to the picture padded to a square, as the model sees it (LLaVA
issue 606, on Visual Genome); users found RefCOCO's relative to the picture itself (issues 619, 623, 822). So
both are offered: `padded` and `image`.
"""

from collections.abc import Sequence
from random import Random
from typing import Any

from vlm.corpus.formats.prompts import DESCRIBE_REGION, FIND_REGION

FRAMES = ("padded", "image")
DECIMALS = 2


def check_frame(frame: str) -> None:
    """Raise unless the frame is one of `FRAMES`.

    Raises:
        ValueError: It is none.
    """
    if frame not in FRAMES:
        raise ValueError(f"boxes must be {' or '.join(FRAMES)}, got {frame}")


def write_box(place: str, box: Sequence[Any], size: tuple[int, int], frame: str) -> str:
    """Return `[left, top, right, bottom]`, 0 to 1, without trailing zeros as in LLaVA's file: 0.8, 1.0.

    Args:
        place: File and row, for messages.
        box: Left, top, width and height in pixels; what is beyond the picture is cut off.
        size: Width and height of the picture in pixels.
        frame: `padded` or `image`: what 1 is.

    Raises:
        ValueError: The box has no four numbers, or the picture no size.
    """
    return str(frame_corners(place, box, size, frame, DECIMALS))


def frame_corners(
    place: str, box: Sequence[Any], size: tuple[int, int], frame: str, decimals: int
) -> list[float]:
    """Return left, top, right and bottom, 0 to 1, rounded; as `write_box` otherwise."""
    if len(box) != 4 or not all(isinstance(number, int | float) for number in box):
        raise ValueError(
            f"{place}: a box is four numbers, not {box}; take the official file as it was released"
        )
    if min(size) < 1:
        raise ValueError(f"{place}: its picture is {size[0]} x {size[1]} pixels; mend its size")
    left, top, width, height = box
    side = max(size)
    corners = []
    for corner, length in zip((left, top, left + width, top + height), size * 2, strict=True):
        # Half of an odd margin is rounded down, as LLaVA's expand2square does.
        margin, whole = ((side - length) // 2, side) if frame == "padded" else (0, length)
        corners.append(round((min(max(corner, 0), length) + margin) / whole, decimals))
    return corners


def clean_sentence(text: str) -> str:
    """Return a phrase without spaces and full stops around it; it may be empty."""
    return text.strip(" .\t\n")


def region_turn(box: str, sentence: str, draw: Random) -> tuple[str, str]:
    """Return a turn from the box to the sentence or back; LLaVA's answers are capitalised, its questions not.

    Args:
        box: As `write_box` writes it.
        sentence: As `clean_sentence` leaves it; not empty.
        draw: Says which way.
    """
    if draw.random() < 0.5:
        return DESCRIBE_REGION.format(box=box), f"{sentence[0].upper()}{sentence[1:]}."
    return FIND_REGION.format(sentence=sentence), box
