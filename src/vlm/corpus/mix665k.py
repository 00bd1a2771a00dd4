"""The mixture that LLaVA-1.5 is tuned on (arXiv:2310.03744, Table 7), counted exactly (LLaVA issue 702)."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from vlm.corpus.formats import find_format
from vlm.corpus.pack import Packing, is_packed, pack
from vlm.data.index import MANIFEST


@dataclass(frozen=True)
class Recipe:
    """What a source is made of.

    Args:
        format: Of its annotations.
        files: By the format's options; several are separated by commas.
        more: Other options of the format.
        licence: Of pictures and texts.
    """

    format: str
    files: Mapping[str, str]
    licence: str
    more: tuple[str, ...] = ()

    def words(self, folder: Path) -> list[str]:
        """Return the format's options, with files in a folder."""
        named = [
            f"{key}={','.join(str(folder / name) for name in names.split(','))}"
            for key, names in self.files.items()
        ]
        return [*named, *self.more]


COCO_TERMS = "COCO and Flickr terms"
RECIPES = {
    "llava": Recipe(
        "llava", {"json": "llava_instruct_150k.json"},
        f"CC-BY-4.0 and OpenAI terms of use; {COCO_TERMS}", ("prefix=coco/train2017",),
    ),
    "sharegpt": Recipe("sharegpt", {"json": "sharegpt.json"}, "OpenAI terms of use"),
    "vqav2": Recipe(
        "vqav2",
        {
            "questions": "v2_OpenEnded_mscoco_train2014_questions.json",
            "annotations": "v2_mscoco_train2014_annotations.json",
        },
        f"CC-BY-4.0; {COCO_TERMS}",
    ),
    "gqa": Recipe("gqa", {"questions": "train_balanced_questions.json"}, "CC-BY-4.0; Visual Genome terms"),
    "okvqa": Recipe(
        "okvqa",
        {
            "questions": "OpenEnded_mscoco_train2014_questions.json",
            "annotations": "mscoco_train2014_annotations.json",
        },
        f"CC-BY-4.0; {COCO_TERMS}",
    ),
    "ocrvqa": Recipe("ocrvqa", {"annotations": "dataset.json"}, "pictures of book covers, research use only"),
    "aokvqa": Recipe("aokvqa", {"annotations": "aokvqa_v1p0_train.json"}, f"Apache-2.0; {COCO_TERMS}"),
    "textcaps": Recipe(
        "textcaps",
        {"annotations": "TextCaps_0.1_train.json", "ocr": "TextVQA_Rosetta_OCR_v0.2_train.json"},
        "CC-BY-4.0; Open Images terms",
    ),
    "refcoco": Recipe(
        "refcoco",
        {
            "refs": "refcoco/refs.json,refcoco+/refs.json,refcocog/refs.json",
            "instances": "refcoco/instances.json,refcoco+/instances.json,refcocog/instances.json",
        },
        f"Apache-2.0; {COCO_TERMS}",
    ),
    "vg": Recipe(
        "visual_genome",
        {"regions": "region_descriptions.json", "image_data": "image_data.json"},
        "CC-BY-4.0; Visual Genome terms",
    ),
}  # fmt: skip
"""The official files of each source, by the names that they were published under; RefCOCO's, which are
pickles, as JSON in folders of their own; ShareGPT's, never officially published, as `sharegpt.json`."""

COUNTS = {
    "llava": 157_712,
    "sharegpt": 40_688,
    "vqav2": 82_783,
    "gqa": 72_140,
    "okvqa": 8_998,
    "ocrvqa": 80_000,
    "aokvqa": 66_160,
    "textcaps": 21_953,
    "refcoco": 48_447,
    "vg": 86_417,
}
"""Records of each source; a picture with many questions is one record."""

TOTAL = 665_298

_REASONS = {
    "llava": "another file than llava_instruct_150k.json, or pictures of train2017 missing",
    "sharegpt": "another dump or filter, or what is longer than 2048 tokens was split and not cut",
    "vqav2": "questions not of train2014 (v2), or not merged by picture",
    "gqa": "questions not of train_balanced, or not merged by picture",
    "okvqa": "questions not of train2014, or not merged by picture",
    "ocrvqa": "pictures missing upstream (LLaVA issue 1618), or samples= is not 80000",
    "aokvqa": "the official train split has 17,056 questions, LLaVA-1.5 has 16,540 of them, four times each",
    "textcaps": "not one caption for each picture of the train split",
    "refcoco": "which of RefCOCO, RefCOCO+ and RefCOCOg are read, and how dialogues are cut",
    "vg": "which pictures are sampled; LLaVA-1.5 does not say how it chose 86,417 of 108,077",
}


def build(annotations: Path, only: Iterable[str], packing: Packing) -> Iterator[tuple[str, int]]:
    """Pack each source into a folder of its own; yield its name and how many samples it has.

    A source that is packed already is not packed again.

    Args:
        annotations: Folder of the official files.
        only: Sources to pack.
        packing: How; `output` holds the sources' folders.

    Raises:
        ValueError: There is no such source, or one cannot be packed.
    """
    for name in only:
        if name not in RECIPES:
            raise ValueError(f"only={name} is no source of the mixture; choose some of {', '.join(RECIPES)}")
        recipe, output = RECIPES[name], packing.output / name
        if not is_packed(output):
            records = find_format(recipe.format).read(recipe.words(annotations))
            try:
                pack(records, replace(packing, output=output, name=name, licence=recipe.licence))
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from error
        yield name, int(json.loads((output / MANIFEST).read_text())["count"])


def compare(counts: Mapping[str, int]) -> list[str]:
    """Return a line for each source that is not of LLaVA-1.5's size, with the likely reason.

    Args:
        counts: Records by source; an absent one has none.
    """
    lines = [
        _line(source, expected, found, _REASONS[source])
        for source, expected in COUNTS.items()
        if (found := counts.get(source, 0)) != expected
    ]
    others = [
        _line(source, 0, found, "no source of LLaVA-1.5's mixture")
        for source, found in counts.items()
        if source not in COUNTS and found
    ]
    return lines + others


def _line(source: str, expected: int, found: int, reason: str) -> str:
    return f"{source}: expected {expected:,}, found {found:,} ({found - expected:+,}); likely: {reason}"
