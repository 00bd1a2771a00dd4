"""Any JSON with captions: a list, or an object a line.

`{"captions": [TEXT, ...]}` or `{"caption": TEXT}` or LLaVA's `conversations`, whose answers are the captions;
`image`, a path, and `id`, if there are any; `boxes`, a list of `{"category": TEXT, "box": [LEFT, TOP, RIGHT,
BOTTOM]}`, in pixels if the row says `width` and `height`, else from 0 to 1.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vlm.synthesis.contexts import DECIMALS, Box, Context, box_in_pixels, clean_captions
from vlm.synthesis.stream import is_list, stream_lines, stream_rows


def read_json(source: Path) -> Iterator[Context]:
    """Yield what each row knows of its picture; a row without a caption has none.

    Raises:
        ValueError: The file cannot be read, or a row is no such object.
    """
    if not source.is_file():
        raise ValueError(f"source={source} must be a file of format=json; it is not there, or a folder")
    rows = stream_rows("source", source) if is_list(source) else stream_lines("source", source)
    for number, row in enumerate(rows):
        place = f"source={source}: row {number}"
        if not isinstance(row, dict):
            raise ValueError(f"{place} must be an object with captions, got {type(row).__name__}")
        image = row.get("image") or ""
        if not isinstance(image, str):
            raise ValueError(f"{place}: image must be one path, got {image!r:.60}")
        key = str(row.get("id") or Path(image).stem or number)
        yield Context(key, image, clean_captions(_captions(row)), tuple(_boxes(place, row)))


def _captions(row: dict[str, Any]) -> list[Any]:
    if "conversations" in row:
        return [turn.get("value") for turn in row["conversations"] if turn.get("from") == "gpt"]
    found = row.get("captions", row.get("caption", []))
    return list(found) if isinstance(found, list) else [found]


def _boxes(place: str, row: dict[str, Any]) -> Iterator[Box]:
    for number, entry in enumerate(row.get("boxes") or []):
        match entry:
            case {
                "category": str(category),
                "box": [int() | float() as left, int() | float() as top, int() | float() as right,
                        int() | float() as bottom],
            }:  # fmt: skip
                pass
            case _:
                raise ValueError(
                    f"{place}: boxes[{number}] must be {{category: TEXT, box: [left, top, right, bottom]}}"
                )
        if "width" in row and "height" in row:
            size = (row["width"], row["height"])
            yield box_in_pixels(place, category, [left, top, right - left, bottom - top], size)
        elif min(left, top, right, bottom) >= 0 and max(left, top, right, bottom) <= 1:
            corners = [round(float(edge), DECIMALS) for edge in (left, top, right, bottom)]
            yield Box(category, (corners[0], corners[1], corners[2], corners[3]))
        else:
            raise ValueError(f"{place}: boxes[{number}] is beyond 0 to 1; say the picture's width and height")
