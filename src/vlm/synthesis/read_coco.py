"""COCO's captions and boxes: captions_*.json and instances_*.json (arXiv:1405.0312, arXiv:1504.00325).

The files are read a row at a time and joined in a database on disk, as their rows lie in no order. A crowd,
one box around many, is left out.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from vlm.corpus.formats.coco import coco_name
from vlm.synthesis.contexts import Context, box_in_pixels, clean_captions, named
from vlm.synthesis.stream import stream_rows

_TABLES = """
CREATE TABLE picture (id INTEGER PRIMARY KEY, file TEXT, width INTEGER, height INTEGER);
CREATE TABLE caption (picture INTEGER, id INTEGER, text TEXT);
CREATE TABLE category (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE box (
    picture INTEGER, id INTEGER, category INTEGER, x REAL, y REAL, width REAL, height REAL);
"""


def coco_files(source: Path, boxes: Path | None) -> tuple[Path, Path | None]:
    """Return the file of captions and that of boxes, which there may be none of.

    Args:
        source: The file of captions, or a folder that holds it, or its `annotations` folder.
        boxes: The file of boxes; None finds it in the folder.

    Raises:
        ValueError: There is none, or are several.
    """
    if source.is_file():
        return source, boxes
    captions = _find(source, "captions")
    if len(captions) != 1:
        found = ", ".join(path.name for path in captions) or "none"
        raise ValueError(f"source={source} must hold one captions_*.json, has {found}; name the file itself")
    beside = captions[0].with_name(captions[0].name.replace("captions", "instances", 1))
    return captions[0], boxes or (beside if beside.is_file() else None)


def _find(folder: Path, kind: str) -> list[Path]:
    here = sorted(folder.glob(f"{kind}*.json"))
    return here or sorted((folder / "annotations").glob(f"{kind}*.json"))


def read_coco(captions: Path, boxes: Path | None) -> Iterator[Context]:
    """Yield what is known of each picture, in the order of their ids.

    Raises:
        ValueError: A file is not as COCO writes it.
    """
    database = sqlite3.connect("")  # on disk, and gone when it is closed
    try:
        database.executescript(_TABLES)
        _load_captions(database, captions)
        if boxes is not None:
            _load_boxes(database, boxes)
        database.execute("CREATE INDEX by_caption ON caption (picture, id)")
        database.execute("CREATE INDEX by_box ON box (picture, id)")
        yield from _join(database, f"boxes={boxes}")
    finally:
        database.close()


def _load_captions(database: sqlite3.Connection, path: Path) -> None:
    pictures = named(
        stream_rows("source", path, "images.item"), f"{path}: images", ("id", "file_name", "width", "height")
    )
    database.executemany("INSERT OR REPLACE INTO picture VALUES (?, ?, ?, ?)", pictures)
    rows = named(
        stream_rows("source", path, "annotations.item"), f"{path}: annotations", ("image_id", "id", "caption")
    )
    database.executemany("INSERT INTO caption VALUES (?, ?, ?)", rows)
    if not database.execute("SELECT count(*) FROM caption").fetchone()[0]:
        raise ValueError(f"source={path} has no captions in its annotations; name COCO's captions_*.json")


def _load_boxes(database: sqlite3.Connection, path: Path) -> None:
    rows = named(stream_rows("boxes", path, "categories.item"), f"{path}: categories", ("id", "name"))
    database.executemany("INSERT OR REPLACE INTO category VALUES (?, ?)", rows)
    keys = ("image_id", "id", "category_id", "bbox", "iscrowd")
    annotations = named(stream_rows("boxes", path, "annotations.item"), f"{path}: annotations", keys)
    boxes = (
        (picture, number, category, *bbox)
        for picture, number, category, bbox, crowd in annotations
        if not crowd
    )
    try:
        database.executemany("INSERT INTO box VALUES (?, ?, ?, ?, ?, ?, ?)", boxes)
    except sqlite3.Error as error:
        raise ValueError(f"boxes={path}: a bbox is not four numbers; take the official file") from error


def _join(database: sqlite3.Connection, place: str) -> Iterator[Context]:
    captions_of = "SELECT text FROM caption WHERE picture = ? ORDER BY id"
    boxes_of = (
        "SELECT name, x, y, box.width, box.height FROM box JOIN category ON category.id = category "
        "WHERE picture = ? ORDER BY box.id"
    )
    for number, file, *size in database.execute("SELECT * FROM picture ORDER BY id"):
        captions = clean_captions(text for (text,) in database.execute(captions_of, (number,)))
        boxes = tuple(
            box_in_pixels(f"{place}: image {number}", name, box, (size[0], size[1]))
            for name, *box in database.execute(boxes_of, (number,))
        )
        yield Context(coco_name(number), file, captions, boxes)
