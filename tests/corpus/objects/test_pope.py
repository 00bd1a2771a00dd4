"""`vlm data pope`: POPE's files about anybody's pictures, asked by benchmark pope and taught by pack."""

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.benchmark.contract import metrics_of
from tests.conftest import SHARED
from vlm.benchmark.pope import POPE
from vlm.cli import main
from vlm.corpus.objects.annotations import read_yolo
from vlm.data.locate import find_shards
from vlm.data.shards import ShardSource

SAMPLINGS = ("random", "popular", "adversarial")
WORLD = {
    "a.jpg": ["person", "dog", "umbrella"],
    "b.jpg": ["person", "dog"],
    "c.jpg": ["person", "bus"],
    "d.jpg": ["cat", "bed", "dog"],
    "e.jpg": ["clock"],
}


def write_coco(folder: Path) -> Path:
    """Five pictures in COCO's form, one with a single thing; and the pictures."""
    names = sorted({name for things in WORLD.values() for name in things})
    images = [{"id": number, "file_name": file} for number, file in enumerate(WORLD)]
    boxes = [
        {"image_id": number, "category_id": names.index(name)}
        for number, things in enumerate(WORLD.values())
        for name in things
    ]
    categories = [{"id": number, "name": name} for number, name in enumerate(names)]
    content = {"images": images, "annotations": boxes, "categories": categories}
    (folder / "instances.json").write_text(json.dumps(content))
    (folder / "photos").mkdir()
    for number, file in enumerate(WORLD):
        Image.new("RGB", (20, 20), (40 * number, 0, 0)).save(folder / "photos" / file)
    return folder


def make(folder: Path, *words: str, output: str = "made") -> list[dict[str, Any]]:
    """Make questions; return all of them."""
    said = [f"annotations={folder}/instances.json", f"output={folder}/{output}", "per_image=4", *words]
    assert main(["data", "pope", *said]) == 0
    return read(folder / output / "questions.jsonl")


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def thing(line: dict[str, Any]) -> str:
    words = str(line["text"]).removeprefix("Is there ").removesuffix(" in the image?")
    return words.partition(" ")[2]


def test_questions_are_balanced_and_true(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = make(write_coco(tmp_path))
    assert "about 4 of 5 pictures; 4 have enough in them" in capsys.readouterr().out
    assert Counter((line["category"], line["label"]) for line in lines) == {
        (sampling, label): 8 for sampling in SAMPLINGS for label in ("yes", "no")
    }
    for line in lines:
        assert (thing(line) in WORLD[line["image"]]) == (line["label"] == "yes")
    about = Counter((line["category"], line["image"], thing(line)) for line in lines)
    assert set(about.values()) == {1}
    assert [line["label"] for line in lines] == ["yes", "no"] * 24
    articles = {line["text"].split(" ")[2] for line in lines if thing(line) == "umbrella"}
    assert articles == {"an"}
    assert all(line["text"].endswith(" in the image?") for line in lines)


def test_the_files_are_in_the_authors_form(tmp_path: Path) -> None:
    lines = make(write_coco(tmp_path), "name=mine", "sampling=popular,random")
    made = tmp_path / "made"
    assert {path.name for path in made.iterdir()} == {
        "mine_pope_popular.json", "mine_pope_random.json", "questions.jsonl",
    }  # fmt: skip
    for sampling in ("popular", "random"):
        own = read(made / f"mine_pope_{sampling}.json")
        assert [list(line) for line in own] == [["question_id", "image", "text", "label"]] * len(own)
        assert [line["question_id"] for line in own] == list(range(1, 17))
        assert own == [{key: line[key] for key in own[0]} for line in lines if line["category"] == sampling]


def test_what_is_there_is_the_same_in_each_file_and_the_seed_decides(tmp_path: Path) -> None:
    lines = make(write_coco(tmp_path))
    there = defaultdict(list)
    for line in lines:
        if line["label"] == "yes":
            there[line["category"]].append((line["image"], line["text"]))
    assert there["random"] == there["popular"] == there["adversarial"]
    assert make(tmp_path, output="again") == lines
    assert make(tmp_path, "seed=2", output="other") != lines
    assert len({line["image"] for line in make(tmp_path, "pictures=2", output="few")}) == 2


def test_benchmark_pope_asks_them_and_pack_teaches_them(tmp_path: Path) -> None:
    make(write_coco(tmp_path), f"images={tmp_path}/photos")
    benchmark = POPE(f"{tmp_path}/made", 128, strict=False, questions="questions.jsonl")
    questions = benchmark.questions()
    assert Counter(question.kind for question in questions) == dict.fromkeys(SAMPLINGS, 16)
    photos = {path.name: path.read_bytes() for path in (tmp_path / "photos").iterdir()}
    for question in questions:
        [picture] = question.pictures
        assert picture.read() == photos[picture.name]
    right = {question.key: benchmark.right_answer(question) for question in questions}
    assert metrics_of(benchmark, right)["f1"] == 1.0
    words = [
        f"questions={tmp_path}/made/questions.jsonl",
        f"images={tmp_path}/made",
        f"output={tmp_path}/packed",
    ]
    assert main(["data", "pack", "format=pope", *words]) == 0
    source = ShardSource("pope", find_shards("x", f"{tmp_path}/packed/*.tar"))
    assert len(source) == 4
    assert {turn.text for turn in source[0].turns[1::2]} == {"Yes", "No"}


def test_the_shapes_world_is_drawn(tmp_path: Path) -> None:
    words = ["format=shapes", "pictures=12", f"output={tmp_path}/made", "sampling=random,adversarial"]
    assert main(["data", "pope", *words, "per_image=4"]) == 0
    lines = read(tmp_path / "made/questions.jsonl")
    named = {line["file"] for line in lines}
    assert {f"images/{path.name}" for path in (tmp_path / "made/images").iterdir()} == named
    benchmark = POPE(f"{tmp_path}/made", 128, strict=False, questions="questions.jsonl")
    assert len({question.pictures[0].read() for question in benchmark.questions()}) == len(named) > 3
    assert all(len(thing(line).split(" ")) == 2 for line in lines)  # a color and a shape


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["per_image=3"], "per_image must be an even number from 2, got 3"),
        (["per_image=10"], "none of 5 pictures has 5 kinds of things"),
        (["pictures=0"], "pictures must be at least 1, got 0"),
        (["sampling=random,frequent"], "sampling=random,frequent must be some of random,popular,adversarial"),
        (["sampling=random,random"], "each once"),
        (["format=voc"], "format=voc is none; choose one of coco, lines, yolo, shapes"),
        (["format=yolo"], "names= must be given with format=yolo"),
        (["names=x.yaml"], "names=x.yaml has no effect with format=coco; leave it out"),
        (["format=shapes"], "has no effect with format=shapes"),
        (["images=nowhere"], "images=nowhere has no a.jpg, which annotations="),
        (["format=yolo", "names=x.yaml"], "images= must be given with format=yolo"),
    ],
)
def test_what_cannot_be_made_is_one_line(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_coco(tmp_path)
    own = [f"annotations={tmp_path}/instances.json", f"output={tmp_path}/made"]
    assert main(["data", "pope", *own, "per_image=4", *words]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "made").exists()


@pytest.mark.skipif(not (SHARED / "coco128").is_dir(), reason="coco128 is not here")
def test_on_coco128_each_sampling_is_as_the_paper_defines_it(tmp_path: Path) -> None:
    real = SHARED / "coco128"
    where = [f"annotations={real}/labels", f"names={real}/config.yaml", f"images={real}"]
    assert main(["data", "pope", "format=yolo", *where, f"output={tmp_path}/made"]) == 0
    lines = read(tmp_path / "made/questions.jsonl")
    annotated = read_yolo(f"{real}/labels", f"{real}/config.yaml", str(real))
    there = {picture.image: set(picture.objects) for picture in annotated}
    alone = Counter(name for things in there.values() for name in things)

    def together(one: str) -> Counter[str]:
        return Counter(name for things in there.values() if one in things for name in things - {one})

    asked = {image for image, things in there.items() if len(things) >= 3}
    assert {line["image"] for line in lines} == asked
    assert Counter(line["category"] for line in lines) == dict.fromkeys(SAMPLINGS, 6 * len(asked))
    num_adversaries = 0
    for place in range(0, len(lines), 6):
        questions = lines[place : place + 6]
        present = [thing(line) for line in questions[::2]]
        absent = [thing(line) for line in questions[1::2]]
        image, sampling = questions[0]["image"], questions[0]["category"]
        assert set(present) <= there[image]
        assert len(set(present)) == len(set(absent)) == 3
        assert not set(absent) & there[image]
        left = set(alone) - there[image]
        for one, other in zip(present, absent, strict=True):
            if sampling == "popular":
                assert alone[other] == max(alone[name] for name in left)
            companions = {name: count for name, count in together(one).items() if name in left}
            if sampling == "adversarial" and companions:
                assert companions[other] == max(companions.values())
                num_adversaries += 1
            left.remove(other)
    assert num_adversaries > 2 * len(asked)
    benchmark = POPE(f"{tmp_path}/made", 128, strict=False, questions="questions.jsonl")
    assert all(question.pictures[0].read()[:2] == b"\xff\xd8" for question in benchmark.questions()[::50])
