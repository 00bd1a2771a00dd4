"""The shapes world's scenes, read back from the captions that name everything in them.

The box of a thing is its place: a ninth of the picture.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from vlm.corpus.shapes.scene import PLACES
from vlm.data.locate import find_shards
from vlm.data.sample import Sample
from vlm.data.shards import ShardSource
from vlm.synthesis.contexts import DECIMALS, Box, Context

_THING = re.compile(r"(?:a|the) (?:small |large )?(?P<noun>[\w ]+) at the (?P<place>[\w-]+)")


def read_shapes(source: Path, pictures: Path) -> Iterator[Context]:
    """Yield the scenes of a world's training split, and write each one's picture.

    Args:
        source: The world, as `vlm data shapes` made it.
        pictures: Folder to write to.

    Raises:
        ValueError: It is none.
    """
    shards = ShardSource("caption", find_shards("source", str(source / "train/caption-*.tar")))
    pictures.mkdir(parents=True, exist_ok=True)
    for number in range(len(shards)):
        sample = shards[number]
        name = f"{sample.key}.jpg"
        (pictures / name).write_bytes(sample.images[0])
        yield _context(sample, name)


def _context(sample: Sample, name: str) -> Context:
    caption = sample.turns[1].text
    found = [_THING.fullmatch(part) for part in caption.removesuffix(".").split(", ")]
    boxes = [_box(thing) for thing in found if thing is not None]
    if len(boxes) != len(found):
        raise ValueError(f"source: {sample.key}: '{caption}' is no scene; make the world: vlm data shapes")
    return Context(sample.key, name, (caption,), tuple(boxes))


def _box(thing: re.Match[str]) -> Box:
    row, column = divmod(PLACES.index(thing["place"]), 3)
    left, top, right, bottom = (
        round(edge / 3, DECIMALS) for edge in (column, row, column + 1, row + 1)
    )  # fmt: skip
    return Box(thing["noun"], (left, top, right, bottom))
