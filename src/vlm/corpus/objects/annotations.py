"""Which kinds of things somebody has boxed in pictures."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from omegaconf import OmegaConf

from vlm.corpus.formats.conversation import group
from vlm.corpus.formats.read import read_list_or_lines
from vlm.corpus.formats.rows import OWN_REMEDY, check_row, read_rows

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


@dataclass(frozen=True)
class Annotated:
    """A picture and what is in it.

    Args:
        image: Its path within the folder of all pictures.
        objects: Each kind of thing that has a box, once, in the order of the boxes.
        number: The picture's id, if it has one.
    """

    image: str
    objects: tuple[str, ...]
    number: int | None = None


def read_coco(path: str) -> list[Annotated]:
    """Return the pictures of COCO's instances_*.json, in its order; some may have no box.

    Raises:
        ValueError: The file is not as it should be, or a box is of no category of it.
    """
    pictures = read_rows("annotations", path, {"id": int, "file_name": str}, "images")
    categories = read_rows("annotations", path, {"id": int, "name": str}, "categories")
    boxes = read_rows("annotations", path, {"image_id": int, "category_id": int}, "annotations")
    names = {row["id"]: row["name"] for row in categories}
    for number, row in enumerate(boxes):
        if row["category_id"] not in names:
            raise ValueError(
                f"annotations={path}: annotation {number} is of category {row['category_id']}, which the "
                "file does not name; take the official file as it was released"
            )
    inside = group((row["image_id"], names[row["category_id"]]) for row in boxes)
    return [
        Annotated(row["file_name"], tuple(dict.fromkeys(inside.get(row["id"], []))), row["id"])
        for row in pictures
    ]


def read_lines(path: str) -> list[Annotated]:
    """Return the pictures of a file as POPE's authors take it: lines of `image` and `objects`.

    Raises:
        ValueError: The file is not as it should be.
    """
    annotated = []
    for number, row in enumerate(read_list_or_lines("annotations", Path(path))):
        place = f"annotations={path}: row {number}"
        check_row(place, row, {"image": str, "objects": list}, OWN_REMEDY)
        annotated.append(Annotated(row["image"], tuple(dict.fromkeys(map(str, row["objects"])))))
    return annotated


def read_yolo(labels: str, names: str, images: str) -> list[Annotated]:
    """Return the pictures of YOLO's label files, by their paths; those that have no picture are left out.

    A picture without a label file is left out, too: nobody has said what is in it.

    Args:
        labels: Folder of text files, whose lines begin with the number of a thing's name.
        names: YAML file with the names, under `names`.
        images: Folder of the pictures, each at the path of its label file.

    Raises:
        ValueError: A file is not as it should be, or no picture is found.
    """
    known = _names(names)
    files = sorted(Path(labels).rglob("*.txt"))
    annotated = [
        Annotated(image, tuple(dict.fromkeys(_lines(file, known))))
        for file in files
        if (image := _picture(file.relative_to(labels), Path(images)))
    ]
    if not annotated:
        raise ValueError(
            f"annotations={labels} has {len(files)} label files (*.txt), and images={images} the picture of "
            "none; name the folders from which both have the same paths"
        )
    return annotated


def _names(path: str) -> dict[int, str]:
    """Return the names of a data set's YAML, which lists them or numbers them."""
    try:
        content = OmegaConf.to_container(OmegaConf.load(path))
    except Exception as error:  # OmegaConf's, YAML's or the file system's
        raise ValueError(f"names={path} cannot be read: {str(error).splitlines()[0]}") from error
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, list):
        return {number: str(name) for number, name in enumerate(names)}
    if not isinstance(names, dict) or not names:
        raise ValueError(f"names={path} has no names; take the YAML file that came with the labels")
    return {int(number): str(name) for number, name in names.items()}


def _lines(file: Path, names: Mapping[int, str]) -> Iterator[str]:
    """Yield the name of each box."""
    for number, line in enumerate(file.read_text().splitlines(), 1):
        words = line.split()
        if not words:
            continue
        if not words[0].isdecimal() or int(words[0]) not in names:
            raise ValueError(f"{file}: line {number} begins with {words[0]}, which is the number of no name")
        yield names[int(words[0])]


def _picture(label: Path, images: Path) -> str | None:
    """Return the path of a label file's picture within `images`; None if it is not there."""
    for suffix in PICTURES:
        if (images / label.with_suffix(suffix)).is_file():
            return label.with_suffix(suffix).as_posix()
    return None
