"""RefCOCO, RefCOCO+ (arXiv:1608.00272) and RefCOCOg (arXiv:1511.02283): refs(...) and COCO's instances.json.

Of every picture the expressions of the train split are asked in turn, each from box to sentence or back as
the seed says; a dialogue is cut into pieces of fewer than ten turns. `refs` and `instances` may be several
files, separated by commas. A picture that one dataset trains on may be in another's validation split:
LLaVA-1.5 does not say that it is left out. refer's refs are pickles, which can run anything when opened, so
JSON is read.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from vlm.corpus.formats.boxes import check_frame, clean_sentence, region_turn, write_box
from vlm.corpus.formats.coco import PREFIX, coco_file, coco_name
from vlm.corpus.formats.conversation import group, make_record
from vlm.corpus.formats.rows import Kind, check_rows, read_rows
from vlm.options import MISSING

MAX_TURNS = 9  # "fewer than 10 turns" (arXiv:2310.03744, appendix A.2)

_REF: dict[str, Kind] = {"ref_id": int, "image_id": int, "ann_id": int, "split": str, "sentences": list}


@dataclass
class Options:
    """What the format reads."""

    refs: str = MISSING
    instances: str = MISSING
    prefix: str = PREFIX
    boxes: str = "padded"
    """What 1 is: the side of the padded square, or `image`."""
    seed: int = 1


def convert(options: Options) -> Iterator[dict[str, Any]]:
    """Yield LLaVA records in the order of the pictures' ids.

    Raises:
        ValueError: A file is not as it should be, or a box or picture is in none.
    """
    check_frame(options.boxes)
    sizes, boxes = _instances(options.instances)
    pairs = group(_described(options, sizes, boxes))
    for image in sorted(pairs):
        draw = Random(f"{options.seed}/{image}")
        turns = [region_turn(box, sentence, draw) for box, sentence in pairs[image]]
        for start in range(0, len(turns), MAX_TURNS):
            piece = turns[start : start + MAX_TURNS]
            yield make_record(coco_name(image), coco_file(options.prefix, image), piece)


def _described(
    options: Options, sizes: dict[int, tuple[int, int]], boxes: dict[int, list[Any]]
) -> Iterator[tuple[int, tuple[str, str]]]:
    """Yield picture, box and sentence of every expression of the train split."""
    for path in options.refs.split(","):
        for ref in sorted(_read_refs(path), key=lambda ref: ref["ref_id"]):
            if ref["split"] != "train":
                continue
            place, image = f"refs={path}: ref {ref['ref_id']}", ref["image_id"]
            if image not in sizes or ref["ann_id"] not in boxes:
                raise ValueError(
                    f"{place}: image {image} or annotation {ref['ann_id']} is not in "
                    f"instances={options.instances}; give the instances.json that came with it too"
                )
            box = write_box(place, boxes[ref["ann_id"]], sizes[image], options.boxes)
            for said in check_rows(f"{place}: sentences", ref["sentences"], {"sent": str}):
                if sentence := clean_sentence(said["sent"]):
                    yield image, (box, sentence)


def _read_refs(path: str) -> list[dict[str, Any]]:
    if path.endswith((".p", ".pkl", ".pickle")):
        raise ValueError(
            f"refs={path} is a pickle, which can run anything when opened; if you trust it, make it JSON: "
            "python -c 'import json, pickle, sys; json.dump(pickle.load(sys.stdin.buffer), sys.stdout)' "
            f"< {path} > refs.json"
        )
    return read_rows("refs", path, _REF)


def _instances(paths: str) -> tuple[dict[int, tuple[int, int]], dict[int, list[Any]]]:
    """Return width and height of pictures, and left, top, width and height of boxes, in pixels, by id."""
    sizes: dict[int, tuple[int, int]] = {}
    boxes: dict[int, list[Any]] = {}
    for path in paths.split(","):
        pictures = read_rows("instances", path, {"id": int, "width": int, "height": int}, "images")
        annotations = read_rows("instances", path, {"id": int, "bbox": list}, "annotations")
        sizes |= {row["id"]: (row["width"], row["height"]) for row in pictures}
        boxes |= {row["id"]: row["bbox"] for row in annotations}
    return sizes, boxes
