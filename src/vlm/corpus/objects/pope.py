"""POPE's question sets (Li et al. 2023, arXiv:2305.10355) about anybody's pictures, from their boxes.

    <output>/<name>_pope_random.json        in the authors' form: question_id, image, text, label in each line
    <output>/<name>_pope_popular.json
    <output>/<name>_pope_adversarial.json
    <output>/questions.jsonl                all of them, with their sampling as category, and the picture's
                                            path if it is known: what benchmark `pope_boxes` reads
    <output>/images/                        of the shapes world, the pictures

As with POPE, every picture has as many questions about things that are there as about things that are not,
in turn, and the former are the same in each file. What differs from the authors' code: what is there is drawn
and not the first of the file; frequencies are those of all pictures, as the paper says, and not of those that
are asked about; equally frequent things are ordered by their names; and an article changes no other word
(their `an` makes the image an `imange`).
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from vlm.corpus.objects.annotations import Annotated, read_coco, read_lines, read_yolo
from vlm.corpus.objects.article import with_article
from vlm.corpus.objects.probing import SAMPLINGS, Frequencies, can_be_asked, choose_absent, draw_present
from vlm.corpus.shapes.pictures import DrawnScenes
from vlm.corpus.write import whole_folder
from vlm.options import MISSING
from vlm.run.folder import write_lines

ALL = "questions.jsonl"
IMAGES = "images"
WANTED = {
    "coco": ("annotations",),
    "lines": ("annotations",),
    "yolo": ("annotations", "names", "images"),
    "shapes": (),
}
"""What each form of annotations needs."""
OPTIONAL = {"coco": ("images",), "lines": ("images",)}


@dataclass
class Options:
    """What questions are made of.

    Args:
        output: Folder to make.
        format: Of the annotations: `coco`, instances_*.json; `lines`, the authors' own, `image` and `objects`
            in each line; `yolo`, a folder of label files; `shapes`, none, since the pictures are drawn.
        annotations: Where they are.
        names: YOLO's YAML file, which names what the labels number.
        images: Folder of the pictures. YOLO's are looked for there; for the others, it makes the questions
            know where their pictures are.
        name: Prefix of the files.
        sampling: How things that are not there are chosen; several are separated by commas.
        per_image: Questions about a picture, an even number.
        pictures: At most; drawn of those of which so much can be asked.
        seed: Of all that is drawn.
    """

    output: str = MISSING
    format: str = "coco"
    annotations: str = ""
    names: str = ""
    images: str = ""
    name: str = "coco"
    sampling: str = ",".join(SAMPLINGS)
    per_image: int = 6
    pictures: int = 500
    seed: int = 1


@dataclass(frozen=True)
class Made:
    """What came of it.

    Args:
        questions: By sampling, how many.
        asked: Pictures that are asked about.
        able: Pictures of which so much can be asked.
        annotated: Pictures.
    """

    questions: dict[str, int]
    asked: int
    able: int
    annotated: int


def make_questions(options: Options) -> Made:
    """Write the files.

    Raises:
        ValueError: An option is none or has no effect, annotations are not as they should be, there is no
            picture to ask about or one is missing, or the folder has something in it.
    """
    _check_paths(options)
    samplings = _check(options)
    scenes = DrawnScenes.draw(options.pictures, options.seed) if options.format == "shapes" else None
    annotated = scenes.annotated() if scenes else _read(options)
    frequencies = Frequencies.of(annotated)
    able = _able(annotated, frequencies, options.per_image // 2)
    drawn = set(Random(options.seed).sample(range(len(able)), min(options.pictures, len(able))))
    asked = [picture for place, picture in enumerate(able) if place in drawn]
    lines = {sampling: list(_ask(asked, frequencies, sampling, options)) for sampling in samplings}
    files = _files(asked, options)
    with whole_folder(Path(options.output)) as folder:
        if scenes:
            scenes.write(asked, folder / IMAGES)
        for sampling in samplings:
            write_lines(folder / f"{options.name}_pope_{sampling}.json", lines[sampling])
        write_lines(
            folder / ALL,
            (
                line | {"category": sampling} | files.get(line["image"], {})
                for sampling in samplings
                for line in lines[sampling]
            ),
        )
    counts = {sampling: len(lines[sampling]) for sampling in samplings}
    return Made(counts, len(asked), len(able), len(annotated))


def _check_paths(options: Options) -> None:
    """Refuse a path that is missing or has no effect."""
    if options.format not in WANTED:
        raise ValueError(f"format={options.format} is none; choose one of {', '.join(WANTED)}")
    wanted = WANTED[options.format]
    for key in ("annotations", "names", "images"):
        value = getattr(options, key)
        if key in wanted and not value:
            raise ValueError(f"{key}= must be given with format={options.format}")
        if value and key not in (*wanted, *OPTIONAL.get(options.format, ())):
            raise ValueError(f"{key}={value} has no effect with format={options.format}; leave it out")


def _check(options: Options) -> list[str]:
    """Return the samplings if they and all numbers are as they should be."""
    samplings = options.sampling.split(",")
    if not set(samplings) <= set(SAMPLINGS) or len(set(samplings)) < len(samplings):
        raise ValueError(f"sampling={options.sampling} must be some of {','.join(SAMPLINGS)}, each once")
    if options.per_image < 2 or options.per_image % 2:
        raise ValueError(f"per_image must be an even number from 2, got {options.per_image}")
    if options.pictures < 1:
        raise ValueError(f"pictures must be at least 1, got {options.pictures}")
    return samplings


def _able(annotated: Sequence[Annotated], frequencies: Frequencies, half: int) -> list[Annotated]:
    """Return the pictures of which so much can be asked, by their names."""
    able = [picture for picture in annotated if can_be_asked(picture, frequencies, half)]
    if not able:
        raise ValueError(
            f"none of {len(annotated)} pictures has {half} kinds of things, with {half} others in other "
            "pictures; lower per_image="
        )
    return sorted(able, key=lambda picture: picture.image)


def _read(options: Options) -> list[Annotated]:
    if options.format == "yolo":
        return read_yolo(options.annotations, options.names, options.images)
    read = {"coco": read_coco, "lines": read_lines}[options.format]
    return read(options.annotations)


def _files(asked: Sequence[Annotated], options: Options) -> dict[str, dict[str, str]]:
    """Return where each picture is, as seen from the output folder, if that is known."""
    if options.format == "shapes":
        return {picture.image: {"file": f"{IMAGES}/{picture.image}"} for picture in asked}
    if not options.images:
        return {}
    for picture in asked:
        if not (Path(options.images) / picture.image).is_file():
            raise ValueError(
                f"images={options.images} has no {picture.image}, which annotations={options.annotations} "
                "names; name the folder that has it, or leave images= out"
            )
    folder = os.path.relpath(options.images, options.output)
    return {picture.image: {"file": f"{folder}/{picture.image}"} for picture in asked}


def _ask(
    asked: Sequence[Annotated], frequencies: Frequencies, sampling: str, options: Options
) -> Iterator[dict[str, Any]]:
    """Yield the questions of one file, numbered from 1; what is drawn depends on the picture alone."""
    number = 0
    for picture in asked:
        key = f"{options.seed}/{picture.image}"
        present = draw_present(picture, options.per_image // 2, Random(key))
        absent = choose_absent(picture, present, frequencies, sampling, Random(f"{key}/{sampling}"))
        for pair in zip(present, absent, strict=True):
            for name, label in zip(pair, ("yes", "no"), strict=True):
                number += 1
                text = f"Is there {with_article(name)} in the image?"
                yield {"question_id": number, "image": picture.image, "text": text, "label": label}
