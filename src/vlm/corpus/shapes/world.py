"""The shapes world as shards: a source for each kind of question, in LLaVA's JSON format.

    <folder>/train/<source>-000000.tar        caption, attribute, count, relation, exist, ocr, conversation
    <folder>/validation/<source>-000000.tar
    <folder>/test/questions-000000.tar        single questions, keyed by kind
    <folder>/SPLIT/objects.jsonl              the colored shapes of each picture, as POPE's authors write them

The same seed writes the same bytes.
"""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

from vlm.corpus.shapes.language import CAPTION_PROMPTS, KINDS, SHORT_ANSWER, caption, converse
from vlm.corpus.shapes.render import render
from vlm.corpus.shapes.scene import Scene, draw_scene
from vlm.corpus.write import Record, whole_folder, write_shards
from vlm.data.index import MANIFEST
from vlm.data.sample import IMAGE_PLACEHOLDER
from vlm.run.folder import write_json

LICENCE = "CC0-1.0"
SAMPLES_PER_SHARD = 1000
OBJECTS = "objects.jsonl"
NUM_TURNS = 3
TRAIN_SIZES = {
    "caption": 6000, "attribute": 5000, "count": 2500, "relation": 3500, "exist": 2500, "ocr": 2000,
    "conversation": 1500,
}  # fmt: skip
"""Samples of each source; a sample of questions has up to `NUM_TURNS` of them."""
VALIDATION_SHARE = 0.02  # of the train sizes
NUM_TEST_QUESTIONS = 240  # of each kind

Content = dict[str, Any]


def make_world(folder: Path, seed: int, scale: float = 1.0) -> dict[str, Any]:
    """Write the world and return its manifest.

    Args:
        folder: To make; it must be absent or empty.
        seed: Of scenes, pictures and questions.
        scale: Of all sizes; a test wants fewer.
    """
    manifest: dict[str, Any] = {
        "name": "shapes",
        "licence": LICENCE,
        "seed": seed,
        "scale": scale,
        "shards": {},
    }
    with whole_folder(folder) as partial:
        objects: list[str] = []
        for split, share in (("train", 1.0), ("validation", VALIDATION_SHARE)):
            for source, size in TRAIN_SIZES.items():
                count = max(1, round(size * share * scale))
                converse_about = _CONVERSATIONS.get(source, _questions(source))
                records = _records(source, split, seed, count, converse_about, objects)
                manifest["shards"] |= _write(partial, split, source, records)
            (partial / split / OBJECTS).write_text("".join(objects))
            objects.clear()
        test = (
            record
            for kind in KINDS
            for record in _records(
                kind, "test", seed, max(1, round(NUM_TEST_QUESTIONS * scale)), _questions(kind, 1), objects
            )
        )
        manifest["shards"] |= _write(partial, "test", "questions", test)
        (partial / "test" / OBJECTS).write_text("".join(objects))
        write_json(partial / MANIFEST, manifest)
    return manifest


def _write(folder: Path, split: str, source: str, records: Iterator[Record]) -> dict[str, Any]:
    (folder / split).mkdir(exist_ok=True)
    return {f"{split}/{source}": list(write_shards(records, folder / split, source, SAMPLES_PER_SHARD))}


def _records(
    source: str,
    split: str,
    seed: int,
    count: int,
    converse_about: Callable[[Scene, Random], list[str]],
    objects: list[str],
) -> Iterator[Record]:
    """Draw scenes until `count` of them had something to say; add a line on what is in each to `objects`."""
    random = Random(f"{seed} {split} {source}")
    number = 0
    while number < count:
        scene = draw_scene(random, split)
        texts = converse_about(scene, random)
        if not texts:
            continue
        file = io.BytesIO()
        render(scene, random).save(file, "JPEG", quality=95, subsampling=0)
        key = f"{source}-{number:06d}"
        content = _content(key, texts)
        nouns = dict.fromkeys(shape.noun for shape in scene.shapes)
        objects.append(json.dumps({"image": content["image"], "objects": list(nouns)}) + "\n")
        yield Record(key, content, {"jpg": file.getvalue()})
        number += 1


def _content(key: str, texts: list[str]) -> Content:
    """LLaVA's record: human and gpt in turn, the picture first."""
    speakers = ("human", "gpt")
    turns = [{"from": speakers[place % 2], "value": text} for place, text in enumerate(texts)]
    turns[0]["value"] = f"{IMAGE_PLACEHOLDER}\n{turns[0]['value']}"
    return {"id": key, "image": f"{key}.jpg", "conversations": turns}


def _caption(scene: Scene, random: Random) -> list[str]:
    return [random.choice(CAPTION_PROMPTS), caption(scene)]


def _conversation(scene: Scene, random: Random) -> list[str]:
    """Questions of all kinds, answered in sentences."""
    questions = converse(scene, random, NUM_TURNS, KINDS)
    return [text for question in questions for text in (question.text, question.sentence)]


def _questions(kind: str, num_turns: int = NUM_TURNS) -> Callable[[Scene, Random], list[str]]:
    """Questions of one kind with short answers; the first turn says so, as in LLaVA-1.5's mixture."""

    def ask(scene: Scene, random: Random) -> list[str]:
        questions = converse(scene, random, num_turns, (kind,))
        texts = [text for question in questions for text in (question.text, question.answer)]
        return [f"{texts[0]}\n{SHORT_ANSWER}", *texts[1:]] if texts else []

    return ask


_CONVERSATIONS = {"caption": _caption, "conversation": _conversation}
