"""Visual Genome (arXiv:1602.07332): region_descriptions.json and image_data.json.

Of every picture at most ten regions, drawn by the seed, are asked in turn, each from box to phrase or back.
The folder, VG_100K or VG_100K_2, is that of the picture's address. LLaVA-1.5 has 86,417 of the 108,077
pictures; which were left out is not published.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from vlm.corpus.formats.boxes import check_frame, clean_sentence, region_turn, write_box
from vlm.corpus.formats.conversation import make_record
from vlm.corpus.formats.rows import NUMBER, Kind, check_rows, read_rows
from vlm.options import MISSING

MAX_REGIONS = 10  # arXiv:2310.03744, appendix A.2
FOLDERS = ("VG_100K", "VG_100K_2")

_REGION: dict[str, Kind] = {
    "region_id": int, "x": NUMBER, "y": NUMBER, "width": NUMBER, "height": NUMBER, "phrase": str,
}  # fmt: skip


@dataclass
class Options:
    """What the format reads."""

    regions: str = MISSING
    image_data: str = MISSING
    prefix: str = "vg"
    boxes: str = "padded"
    """What 1 is: the side of the padded square, or `image`."""
    seed: int = 1


def convert(options: Options) -> Iterator[dict[str, Any]]:
    """Yield LLaVA records in the order of the file; pictures without a region are left out.

    Raises:
        ValueError: A file is not as it should be, or a picture is not in `image_data`.
    """
    check_frame(options.boxes)
    kinds: dict[str, Kind] = {"image_id": int, "width": int, "height": int, "url": str}
    data = {row["image_id"]: row for row in read_rows("image_data", options.image_data, kinds)}
    for row in read_rows("regions", options.regions, {"id": int, "regions": list}):
        place = f"regions={options.regions}: image {row['id']}"
        if row["id"] not in data:
            raise ValueError(f"{place} is not in image_data={options.image_data}; take both of one release")
        name = f"{_folder(options.image_data, data[row['id']])}/{row['id']}"
        turns = _turns(place, row, data[row["id"]], options)
        if turns:
            yield make_record(name, f"{options.prefix}/{name}.jpg", turns)


def _turns(
    place: str, row: dict[str, Any], picture: dict[str, Any], options: Options
) -> list[tuple[str, str]]:
    regions = check_rows(f"{place}: regions", row["regions"], _REGION)
    described = sorted(
        (region["region_id"], sentence, [region[key] for key in ("x", "y", "width", "height")])
        for region in regions
        if (sentence := clean_sentence(region["phrase"]))
    )
    draw = Random(f"{options.seed}/{row['id']}")
    size = (picture["width"], picture["height"])
    return [
        region_turn(write_box(f"{place}: region {number}", box, size, options.boxes), sentence, draw)
        for number, sentence, box in sorted(draw.sample(described, min(MAX_REGIONS, len(described))))
    ]


def _folder(path: str, picture: dict[str, Any]) -> str:
    """Return the folder that the picture's address names."""
    for folder in FOLDERS:
        if f"/{folder}/" in picture["url"]:
            return folder
    raise ValueError(
        f"image_data={path}: image {picture['image_id']}: url {picture['url']} names none of "
        f"{', '.join(FOLDERS)}; take the official file as it was released"
    )
