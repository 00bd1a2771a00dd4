"""What is known of a picture, as a language model reads it that does not see the picture."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vlm.corpus.formats.boxes import frame_corners

DECIMALS = 3

Corners = tuple[float, float, float, float]
"""Left, top, right and bottom, each from 0 to 1 of the picture's own width or height."""


@dataclass(frozen=True)
class Box:
    """Where something is.

    Args:
        category: What it is.
        corners: Of the box around it.
    """

    category: str
    corners: Corners

    def __str__(self) -> str:
        return f"{self.category}: {list(self.corners)}"


@dataclass(frozen=True)
class Context:
    """What is known of a picture.

    Args:
        key: Its id, as it comes into the records.
        image: Its file, from the folder of all pictures; empty if the source does not name it.
        captions: Sentences about it.
        boxes: Of things in it; there may be none.
    """

    key: str
    image: str
    captions: tuple[str, ...]
    boxes: tuple[Box, ...] = ()

    def text(self, with_boxes: bool) -> str:
        """Return captions, one a line, and after an empty line boxes, as LLaVA's prompts have them."""
        parts = ["\n".join(self.captions)]
        if with_boxes and self.boxes:
            parts.append("\n".join(str(box) for box in self.boxes))
        return "\n\n".join(parts)

    def row(self) -> list[Any]:
        """Return it as plain lists, for JSON."""
        boxes = [[box.category, *box.corners] for box in self.boxes]
        return [self.key, self.image, list(self.captions), boxes]

    @classmethod
    def read(cls, row: Sequence[Any]) -> "Context":
        """Return what `row` gave."""
        key, image, captions, boxes = row
        found = (Box(name, (left, top, right, bottom)) for name, left, top, right, bottom in boxes)
        return cls(key, image, tuple(captions), tuple(found))


def box_in_pixels(place: str, category: str, box: Sequence[Any], size: tuple[int, int]) -> Box:
    """Return a box relative to the picture, rounded to three decimals.

    Args:
        place: File and row, for messages.
        category: What is in it.
        box: Left, top, width and height in pixels; what is beyond the picture is cut off.
        size: Width and height of the picture in pixels.

    Raises:
        ValueError: The box has no four numbers, or the picture no size.
    """
    left, top, right, bottom = frame_corners(place, box, size, "image", DECIMALS)
    return Box(category, (left, top, right, bottom))


def clean_captions(captions: Iterable[Any]) -> tuple[str, ...]:
    """Return sentences without line breaks, each once; what is no text is left out."""
    lines = (" ".join(caption.split()) for caption in captions if isinstance(caption, str))
    return tuple(dict.fromkeys(line for line in lines if line))


def named(rows: Iterable[Mapping[str, Any]], place: str, keys: Sequence[str]) -> Iterator[list[Any]]:
    """Yield the values of keys that every row must have.

    Raises:
        ValueError: A row has one not.
    """
    for number, row in enumerate(rows):
        if not isinstance(row, dict) or any(key not in row for key in keys):
            raise ValueError(f"{place}: row {number} must be an object with {', '.join(keys)}; mend it")
        yield [row[key] for key in keys]
