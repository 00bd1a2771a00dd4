"""The shapes world: true, disjoint, and the same every time."""

import io
import json
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from vlm.corpus.shapes.language import KINDS, SHORT_ANSWER, ask, caption, converse, written_places
from vlm.corpus.shapes.render import INK, PLACE_SIZE, render
from vlm.corpus.shapes.scene import (
    PLACES,
    SPLITS,
    Scene,
    Shape,
    Word,
    draw_scene,
    split_of,
    split_pairs,
)
from vlm.corpus.shapes.world import make_world
from vlm.data.index import MANIFEST
from vlm.data.locate import find_shards
from vlm.data.shards import ShardSource

SCENE = Scene(
    (
        Shape(0, "small", "red", "circle"),
        Shape(4, "large", "blue", "square"),
        Shape(8, "small", "blue", "ring"),
    ),
    Word(2, "cat"),
)


def pairs(scene: Scene) -> set[tuple[str, str]]:
    return {(shape.color, shape.kind) for shape in scene.shapes}


def test_splits_share_no_scene_and_private_pairs_stay_private() -> None:
    drawn = {
        split: [draw_scene(random, split) for _ in range(300)]
        for split, random in zip(SPLITS, map(Random, range(3)), strict=True)
    }
    for split, scenes in drawn.items():
        _, private = split_pairs(split)
        shown = set().union(*map(pairs, scenes))
        assert all(split_of(scene) == split for scene in scenes)
        assert set(private) <= shown
        for other in set(SPLITS) - {split}:
            assert not shown & set(split_pairs(other)[1])
    assert len(split_pairs("train")[1]) == 0
    assert len(split_pairs("test")[1]) == 6


@given(st.integers(0, 10**6))
def test_a_scene_is_well_formed(seed: int) -> None:
    scene = draw_scene(Random(seed), "test")
    places = [thing.place for thing in scene.things]
    assert 1 <= len(scene.shapes) <= 5
    assert places == sorted(set(places))


def test_captions_and_written_places_say_everything() -> None:
    assert caption(SCENE) == (
        "a small red circle at the top-left, the word cat at the top-right, "
        "a large blue square at the center, a small blue ring at the bottom-right."
    )
    written = written_places(SCENE)
    assert written[:3] == ["top-left small red circle", "top empty", "top-right word cat"]
    assert len(written) == 9


def truth(question: str, scene: Scene) -> str:  # noqa: C901 (one branch for each form of question)
    """Answer by reading the question's words, another way than the generator does."""
    tokens = question.rstrip("?").split()
    shape_at = {PLACES[shape.place]: shape for shape in scene.shapes}
    named = lambda noun: next(s for s in scene.shapes if s.noun == noun)  # noqa: E731
    if question.startswith("Where"):
        return PLACES[named(" ".join(tokens[-2:])).place]
    if question.startswith("Is there a"):
        return "yes" if any(shape.noun == " ".join(tokens[3:]) for shape in scene.shapes) else "no"
    if question.startswith("Is the"):
        first, second = named(" ".join(tokens[2:4])), named(" ".join(tokens[-2:]))
        (row, column), (other_row, other_column) = divmod(first.place, 3), divmod(second.place, 3)
        holds = {
            "left": column < other_column,
            "right": column > other_column,
            "above": row < other_row,
            "below": row > other_row,
        }
        return "yes" if holds[tokens[4]] else "no"
    if question.startswith("How many"):
        noun = " ".join(tokens[2:-2])
        return str(sum(noun in (f"{s.color} shapes", f"{s.kind}s", "shapes") for s in scene.shapes))
    if "word" in tokens or "say" in tokens:
        assert scene.word
        if tokens[0] == "Does":
            return "yes" if tokens[-1] == scene.word.text else "no"
        return scene.word.text
    if "at" in tokens:
        shape = shape_at[tokens[-1]]
        return {"color": shape.color, "shape": shape.kind, "size": shape.size}[tokens[1]]
    if tokens[1] == "color":
        return next(s.color for s in scene.shapes if s.kind == tokens[-1])
    return next(s.kind for s in scene.shapes if s.color == tokens[-1])


@given(st.integers(0, 10**6), st.sampled_from(KINDS))
def test_answers_are_true(seed: int, kind: str) -> None:
    random = Random(seed)
    scene = draw_scene(random, "train")
    question = ask(kind, scene, random)
    if question:
        assert question.kind == kind
        assert question.answer == truth(question.text, scene)
        assert question.answer.lower() in question.sentence.lower()


def test_a_conversation_never_repeats_a_question() -> None:
    for seed in range(50):
        random = Random(seed)
        texts = [question.text for question in converse(draw_scene(random, "train"), random, 6, KINDS)]
        assert len(texts) == len(set(texts)) > 0


@pytest.mark.parametrize("color", INK)
def test_a_shape_is_drawn_at_its_place_in_its_color(color: str) -> None:
    for place in range(9):
        picture = np.asarray(
            render(Scene((Shape(place, "large", color, "square"),), None), Random(place)), float
        )
        distance = np.abs(picture - np.array(INK[color])).sum(-1)
        rows, columns = np.nonzero(distance < 90)
        assert rows.size > 100
        assert {divmod(place, 3)} == set(zip(rows // PLACE_SIZE, columns // PLACE_SIZE, strict=True))


def test_shapes_differ() -> None:
    flat = [
        np.asarray(render(Scene((Shape(4, "large", "white", kind),), None), Random(0)), float)
        for kind in ("circle", "square", "triangle", "diamond", "cross", "ring")
    ]
    for number, one in enumerate(flat):
        for other in flat[:number]:
            assert np.abs(one - other).mean() > 2


def test_the_world_repeats_to_the_byte(tmp_path: Path, data_folder: Path) -> None:
    make_world(tmp_path / "again", seed=7, scale=0.02)
    first, again = (
        (folder / MANIFEST).read_text() for folder in (data_folder / "shapes", tmp_path / "again")
    )
    assert first == again


def test_records_are_llavas(data_folder: Path) -> None:
    source = ShardSource("count", find_shards("x", f"{data_folder}/shapes/train/count-*.tar"))
    key, files = source.read(0)
    record = json.loads(files["json"])
    assert record["id"] == key
    speakers = [turn["from"] for turn in record["conversations"]]
    assert speakers == ["human", "gpt"] * (len(speakers) // 2)
    first, *others = [turn["value"] for turn in record["conversations"] if turn["from"] == "human"]
    assert first.startswith("<image>\n")
    assert first.endswith(f"\n{SHORT_ANSWER}")
    assert not any(SHORT_ANSWER in other for other in others)
    assert Image.open(io.BytesIO(files["jpg"])).size == (72, 72)


def test_the_test_split_shows_pairs_that_training_never_did(data_folder: Path) -> None:
    _, private = split_pairs("test")
    nouns = {f"{color} {kind}" for color, kind in private}
    train = ShardSource("x", find_shards("x", f"{data_folder}/shapes/train/caption-*.tar"))
    texts = [train[number].turns[1].text for number in range(len(train))]
    assert not any(noun in text for noun in nouns for text in texts)
