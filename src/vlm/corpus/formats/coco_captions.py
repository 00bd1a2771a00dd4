"""COCO's captions (arXiv:1504.00325): captions_train2017.json.

The question is one of LLaVA's eleven brief ones, drawn by the seed and the picture. Of a picture's five
captions the answer is the one with the smallest id, or with `each=true` every one, in a record of its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from vlm.corpus.formats.coco import PREFIX, coco_file, coco_name
from vlm.corpus.formats.conversation import group, make_record
from vlm.corpus.formats.prompts import BRIEF
from vlm.corpus.formats.rows import read_rows
from vlm.options import MISSING


@dataclass
class Options:
    """What the format reads."""

    annotations: str = MISSING
    each: bool = False
    """A record for each caption, not only for each picture."""
    prefix: str = PREFIX
    seed: int = 1


def convert(options: Options) -> Iterator[dict[str, Any]]:
    """Yield LLaVA records, a picture's together.

    Raises:
        ValueError: The file is not as it should be.
    """
    kinds = {"id": int, "image_id": int, "caption": str}
    rows = read_rows("annotations", options.annotations, kinds, "annotations")
    for image, captions in group((row["image_id"], (row["id"], row["caption"])) for row in rows).items():
        draw = Random(f"{options.seed}/{image}")
        for _, caption in sorted(captions)[: None if options.each else 1]:
            turn = (draw.choice(BRIEF), caption.strip())
            yield make_record(coco_name(image), coco_file(options.prefix, image), [turn])
