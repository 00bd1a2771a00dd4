"""CHAIR: mentions of what is not there, by the authors' count, and what a silent caption is worth."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.benchmark.contract import check_contract, metrics_of
from tests.conftest import SHARED
from vlm.benchmark.chair import CHAIR, ShapesCHAIR
from vlm.benchmark.score import score

PROMPT = "Describe this image in detail."
WORDS = {"a.jpg": ["dog", "person"], "b.jpg": ["orange"], "c.jpg": ["cat"]}


def write_chair(folder: Path, **boxes: list[str]) -> Path:
    """COCO's two files and three pictures; what is in them by boxes, and a caption that names a bus."""
    things = {f"{name}.jpg": found for name, found in boxes.items()} or WORDS
    names = sorted({name for found in things.values() for name in found})
    (folder / "val2014").mkdir(parents=True)
    images, annotations = [], []
    for number, (file, found) in enumerate(things.items()):
        (folder / "val2014" / file).write_bytes(file.encode())
        images.append({"id": number, "file_name": file})
        annotations += [{"image_id": number, "category_id": names.index(name)} for name in found]
    instances: dict[str, Any] = {"images": images, "annotations": annotations}
    instances["categories"] = [{"id": number, "name": name} for number, name in enumerate(names)]
    (folder / "instances.json").write_text(json.dumps(instances))
    captions = [
        {"image_id": 0, "caption": "A man and his puppy wait for a bus."},
        {"image_id": 0, "caption": "Somebody waits."},
    ]
    (folder / "captions.json").write_text(json.dumps({"annotations": captions}))
    return folder


def make(folder: Path, captions: str | None = "captions.json", words: str | None = None) -> CHAIR:
    return CHAIR(str(folder), 512, "instances.json", None, captions, "val2014", words, PROMPT)


def test_it_keeps_the_contract(tmp_path: Path) -> None:
    check_contract(make, write_chair(tmp_path), best=1.0)


def test_it_keeps_the_contract_with_words_of_ones_own(tmp_path: Path) -> None:
    write_chair(tmp_path)
    (tmp_path / "words.txt").write_text("dog, puppy\nperson, man\nbus\norange\ncat\n")
    check_contract(lambda folder: make(folder, words="words.txt"), tmp_path, best=1.0)


def test_what_is_there_has_a_box_or_was_named_by_people(tmp_path: Path) -> None:
    write_chair(tmp_path)
    first, second, third = make(tmp_path).questions()
    assert first.text == f"<image>\n{PROMPT}"
    assert [question.answer for question in (first, second, third)] == [
        ["bus", "dog", "person"],
        ["orange"],
        ["cat"],
    ]
    assert first.pictures[0].read() == b"a.jpg"
    assert make(tmp_path, captions=None).questions()[0].answer == ["dog", "person"]


def test_chair_counts_mentions_and_captions_as_its_authors_do(tmp_path: Path) -> None:
    benchmark = make(write_chair(tmp_path))
    found = metrics_of(
        benchmark,
        {
            "a.jpg": "A dog and two cats. The dog sees the cats.",  # four mentions, two untrue
            "b.jpg": "An orange.",
            "c.jpg": "A sunny day.",
        },
    )
    assert found["chair_i"] == pytest.approx(2 / 5)
    assert found["chair_s"] == pytest.approx(1 / 3)
    assert found["recall"] == pytest.approx(2 / 5)  # dog and orange, of bus, dog, person, orange, cat
    assert found["mentions"] == pytest.approx(5 / 3)
    assert found["words"] == pytest.approx((10 + 2 + 3) / 3)
    assert found["f1"] == pytest.approx(2 * 2 / (3 + 5))  # dog, cat, orange are named


def test_a_mark_says_what_is_not_there(tmp_path: Path) -> None:
    benchmark = make(write_chair(tmp_path))
    mark = benchmark.mark(benchmark.questions()[0], "A puppy, a kitten and cats")
    assert (mark.parsed, mark.evidence) == ("dog, cat, cat", "cat, cat")
    assert mark.score == pytest.approx(2 * 1 / (2 + 3))
    silent = benchmark.mark(benchmark.questions()[0], "A sunny day.")
    assert (silent.parsed, silent.evidence, silent.score) == (None, "", 0.0)


def test_a_caption_that_says_nothing_hallucinates_nothing_and_is_worth_nothing(tmp_path: Path) -> None:
    found = metrics_of(make(write_chair(tmp_path)), {})
    assert (found["chair_s"], found["recall"], found["f1"], found["words"]) == (0.0, 0.0, 0.0, 0.0)
    assert found["chair_i"] != found["chair_i"]  # of no mention there is no share


def test_intervals_are_of_pictures(tmp_path: Path) -> None:
    benchmark = make(write_chair(tmp_path))
    answers = {"a.jpg": "A cat.", "b.jpg": "An orange.", "c.jpg": "A cat."}
    mine, _ = score(benchmark, benchmark.questions(), answers, 200, 1)
    assert mine.metrics["chair_s"] == pytest.approx(1 / 3)
    low, high = mine.intervals["chair_s"]
    assert low == 0.0 < 1 / 3 < high  # three pictures say little
    assert mine.counts["unparseable"] == 0


def test_words_of_ones_own_are_the_only_ones(tmp_path: Path) -> None:
    write_chair(tmp_path)
    (tmp_path / "words.txt").write_text("dog, mutt\nperson\n")
    benchmark = make(tmp_path, captions=None, words="words.txt")
    assert benchmark.vocabulary.mentions("mutts, puppies and a cat") == ["dog", "cat"]  # a cat has a box


def test_yolos_pictures_have_no_captions() -> None:
    with pytest.raises(ValueError, match=r"captions=c.json cannot go with names=n.yaml"):
        CHAIR("x", 1, "labels", "n.yaml", "c.json", "", None, PROMPT)


@pytest.mark.skipif(not (SHARED / "coco128").is_dir(), reason="coco128 is not here")
def test_it_reads_coco128() -> None:
    benchmark = CHAIR(str(SHARED / "coco128"), 512, "labels", "config.yaml", None, "", None, PROMPT)
    questions = benchmark.questions()
    assert len(questions) == 254
    assert all(question.pictures[0].read().startswith(b"\xff\xd8") for question in questions[::25])
    found = metrics_of(benchmark, {question.key: benchmark.right_answer(question) for question in questions})
    assert (found["f1"], found["chair_i"], found["chair_s"], found["recall"]) == (1.0, 0.0, 0.0, 1.0)
    fixed = metrics_of(benchmark, {question.key: "A person at a table." for question in questions})
    both = [question for question in questions if {"person", "dining table"} <= set(question.answer)]
    assert fixed["chair_s"] == pytest.approx(1 - len(both) / 254)
    assert fixed["mentions"] == 2.0


def test_the_shapes_world_knows_its_shapes(data_folder: Path) -> None:
    benchmark = ShapesCHAIR(f"{data_folder}/shapes/validation/caption-*.tar", 96, None)
    questions = benchmark.questions()
    assert all(question.pictures[0].read() for question in questions)
    assert all(set(map(len, map(str.split, question.answer))) == {2} for question in questions)
    right = {question.key: benchmark.right_answer(question) for question in questions}
    assert metrics_of(benchmark, right)["f1"] == 1.0
    [first, *_] = questions
    named = first.answer[0]
    absent = next(
        f"white {kind}" for kind in ("ring", "cross", "circle") if f"white {kind}" not in first.answer
    )
    mark = benchmark.mark(first, f"a small {named} at the top, a large {absent} at the left.")
    assert (mark.mentions, mark.untrue_mentions, mark.evidence) == (2, 1, absent)
