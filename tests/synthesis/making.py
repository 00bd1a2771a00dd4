"""Sources, replies of a made-up model, and the words that make a data set of them."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from PIL import Image

from vlm.cli import main

NOUNS = [
    "baker", "bicycle", "bridge", "carpet", "cat", "chair", "dancer", "dog", "farmer", "ferry", "garden",
    "guitar", "horse", "island", "kettle", "ladder", "lamp", "market", "mirror", "nurse", "painter", "pigeon",
    "poet", "river", "sailor", "table", "tailor", "train", "tree", "window",
]  # fmt: skip
VERBS = [
    "admires", "carries", "cleans", "draws", "follows", "guards", "holds", "lifts", "paints", "passes",
    "pulls", "repairs", "sells", "turns",
]  # fmt: skip
PLACES = [
    "cellar", "church", "forest", "harbor", "kitchen", "library", "meadow", "museum", "station", "street",
    "theater", "village",
]  # fmt: skip


def sentences(seed: str, number: int) -> str:
    """English that is different for each seed."""
    random = Random(seed)
    return " ".join(
        f"The {random.choice(NOUNS)} {random.choice(VERBS)} the {random.choice(NOUNS)} that is in the "
        f"{random.choice(PLACES)} near a {random.choice(NOUNS)}."
        for _ in range(number)
    )


def kind_of(messages: list[dict[str, str]]) -> str:
    """Which kind of reply is asked for."""
    system = messages[0]["content"]
    if "Write a conversation" in system:
        return "conversation"
    return "reasoning" if "Write one question" in system else "detail"


def good_reply(kind: str, seed: str) -> str:
    """As the prompts want it."""
    answers = [sentences(f"{seed} {number}", 3) for number in range(2)]
    blocks = [
        f"Question:\nWhat is going on with the {NOUNS[number]}?\n===\nAnswer:\n{answer}\n==="
        for number, answer in enumerate(answers)
    ]
    return {"conversation": "\n".join(blocks), "reasoning": blocks[0], "detail": "\n\n".join(answers)}[kind]


def name_of(body: Mapping[str, Any]) -> str:
    """Tells requests apart: the kind, a space, and a hash."""
    digest = hashlib.sha256(json.dumps(body["messages"], sort_keys=True).encode()).hexdigest()
    return f"{kind_of(body['messages'])} {digest}"


def answer_well(name: str) -> str:
    """What a model says that does as it is told."""
    return good_reply(*name.split())


def write_source(folder: Path, count: int, pictures: bool = True) -> list[str]:
    """Write a source of so many pictures; return the words that name it."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(count):
        name = f"{number:05d}.png"
        rows.append(
            {
                "id": f"{number:05d}", "image": name, "captions": [sentences(f"caption {number}", 1)],
                "boxes": [{"category": "dog", "box": [0.1, 0.2, 0.3, round(0.4 + number / 9999, 3)]}],
            }
        )  # fmt: skip
        if pictures:
            noise = np.random.default_rng(number).integers(0, 256, (8, 8, 3), np.uint8)
            Image.fromarray(noise).resize((48, 48)).save(folder / name)
    (folder / "source.json").write_text(json.dumps(rows))
    words = ["format=json", f"source={folder / 'source.json'}"]
    return [*words, f"images={folder}"] if pictures else words


def synthesize(url: str, folder: Path, *words: str) -> int:
    """Run the verb with a cache and an output in a folder."""
    own = [
        f"base_url={url}", "api_key_variable=null", "model=teacher", f"cache={folder}/replies",
        f"output={folder}/made", "timeout_s=5",
    ]  # fmt: skip
    return main(["synthesize", *own, *words])


def read_account(folder: Path) -> dict[str, Any]:
    """The funnel, as it was written."""
    return json.loads((folder / "made/funnel.json").read_text())
