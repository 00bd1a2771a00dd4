"""The source, read once: which pictures something can be asked about."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import imagehash
from PIL import Image

from vlm.synthesis.contexts import Context
from vlm.synthesis.duplicates import PictureIndex
from vlm.synthesis.read_coco import coco_files, read_coco
from vlm.synthesis.read_json import read_json
from vlm.synthesis.read_shapes import read_shapes
from vlm.synthesis.workbook import Workbook

INPUT_RULES = {
    "no-caption": "nothing is said about it",
    "no-picture": "the source does not name its file, or that is not there or cannot be decoded",
    "same-picture": "its picture is an earlier one's, or nearly",
}
"""Why nothing is asked about a picture."""

MOST_DISTANT = 16
"""Bits in which hashes differ of pictures that have nothing in common, in one case of ten thousand."""

FORMATS = ("coco", "shapes", "json")
_DRAFT_SIDE = 128  # pixels that are enough for a hash of 32


@dataclass(frozen=True)
class Source:
    """Where captions and boxes come from.

    Args:
        format: One of `FORMATS`.
        path: File or folder.
        boxes: COCO's file of boxes, if it is not the one beside the captions.
        images: Folder of the pictures; None if they are not here, so that none is looked at.
        limit: Pictures at most; None for all.
        max_distance: Bits of 64 in which the perceptual hashes of two pictures may differ that are the same.

    Raises:
        ValueError: The format is none, or does not go with the rest.
    """

    format: str
    path: Path
    boxes: Path | None
    images: Path | None
    limit: int | None
    max_distance: int

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise ValueError(f"format={self.format} is none; choose one of {', '.join(FORMATS)}")
        if self.boxes is not None and self.format != "coco":
            raise ValueError(f"boxes={self.boxes} goes with format=coco only")
        if self.images is not None and self.format == "shapes":
            raise ValueError(f"images={self.images} has no effect: the world's shards hold its pictures")
        if self.images is not None and not self.images.is_dir():
            raise ValueError(f"images={self.images} is no folder; say where the pictures are")
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"limit must be at least 1, or null for all; got {self.limit}")
        if not 0 <= self.max_distance <= MOST_DISTANT:
            raise ValueError(f"max_distance must be from 0 to {MOST_DISTANT}, got {self.max_distance}")
        if not self.path.exists():
            raise ValueError(f"source={self.path} is not there")

    def read(self, pictures: Path) -> Iterator[Context]:
        """Yield what is known of each picture.

        Args:
            pictures: Folder for those that the source holds itself.

        Raises:
            ValueError: The source is not of its format.
        """
        readers = {
            "coco": lambda: read_coco(*coco_files(self.path, self.boxes)),
            "shapes": lambda: read_shapes(self.path, pictures),
            "json": lambda: read_json(self.path),
        }
        return islice(readers[self.format](), self.limit)

    def header(self) -> list[Any]:
        """Return what is read: the settings, and the files of captions and boxes as they are."""
        if self.format == "coco":
            files = [path for path in coco_files(self.path, self.boxes) if path is not None]
        else:
            files = sorted(self.path.glob("train/caption-*.tar")) if self.path.is_dir() else [self.path]
        states = [[str(path), path.stat().st_size, path.stat().st_mtime_ns] for path in files]
        return [self.format, str(self.images), self.limit, self.max_distance, states]

    def state(self) -> list[Any]:
        """Return what else what was read depends on: which pictures there are, by when one was added last."""
        folders = [] if self.images is None else [self.images, *sorted(self.images.iterdir())]
        return [*self.header(), [folder.stat().st_mtime_ns for folder in folders if folder.is_dir()]]


def survey(source: Source, workbook: Workbook, pictures: Path) -> None:
    """Read the source into the workbook, unless that was done before.

    Args:
        source: What to read.
        workbook: To write to.
        pictures: Folder for pictures that the source holds itself.

    Raises:
        ValueError: The source cannot be read, or holds no picture.
    """
    if workbook.is_read:
        return
    index = PictureIndex(workbook.database, source.max_distance)
    images = pictures if source.format == "shapes" else source.images
    count = 0
    for context in source.read(pictures):
        workbook.add(context, _fault(context, images, index))
        count += 1
    if not count:
        raise ValueError(f"source={source.path} holds no picture in format={source.format}")
    workbook.finish()


def _fault(context: Context, images: Path | None, index: PictureIndex) -> str | None:
    """Return the rule of `INPUT_RULES` that a picture breaks."""
    if not context.captions:
        return "no-caption"
    if not context.image:
        return "no-picture"
    if images is None:
        return None
    hashed = _hash(images / context.image)
    if hashed is None:
        return "no-picture"
    return None if index.admit(hashed) else "same-picture"


def _hash(path: Path) -> int | None:
    """Return the perceptual hash of 64 bits; None if the picture is not there or not whole."""
    try:
        with Image.open(path) as image:
            image.draft("RGB", (_DRAFT_SIDE, _DRAFT_SIDE))  # a JPEG is decoded small, in less time
            return int(str(imagehash.phash(image.convert("RGB"))), 16)
    except (OSError, SyntaxError, Image.DecompressionBombError):
        return None
