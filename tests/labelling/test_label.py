"""A source made by asking a model that sees, which a server of the tests plays."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.endpoint.server import Server, serving
from vlm.cli import main
from vlm.corpus.formats.prompts import SHORT_ANSWER
from vlm.corpus.pack import Packing, pack
from vlm.data.locate import find_shards
from vlm.data.shards import ShardSource

ASKED = {
    "dogs": [("Is there a dog?", "yes"), ("What color is it?", "brown"), ("Is there a cat?", "no")],
    "cats": [("Is there a cat?", "yes"), ("What color is it?", "black")],
}
Say = Callable[[str, str, int], str]
"""(picture, question, number of the reply) to what is said."""


def make_shards(folder: Path) -> str:
    """Two pictures with questions whose answers are known; return their pattern."""
    records = []
    for place, (name, asked) in enumerate(ASKED.items()):
        folder.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), (place * 99, 0, 0)).save(folder / f"{name}.png")
        texts = [text for question, answer in asked for text in (question, answer)]
        texts[0] = f"<image>\n{texts[0]}\n{SHORT_ANSWER}"
        said = [{"from": ("human", "gpt")[turn % 2], "value": text} for turn, text in enumerate(texts)]
        records.append({"id": name, "image": f"{name}.png", "conversations": said})
    pack(records, Packing(folder, folder / "shards", name="pets"))
    return f"shards={folder}/shards/pets-*.tar"


def name_of(folder: Path) -> Callable[[dict[str, Any]], str]:
    """Return what tells requests apart: picture, question, and number of the reply."""
    import base64

    pictures = {
        base64.b64encode((folder / f"{name}.png").read_bytes()).decode(): name
        for name in ASKED
        if (folder / f"{name}.png").is_file()
    }

    def name(body: dict[str, Any]) -> str:
        image, text = body["messages"][-1]["content"]
        picture = pictures[image["image_url"]["url"].partition("base64,")[2]]
        assert body["logprobs"]
        assert (body.get("seed") is None) == (body["temperature"] == 0)
        return json.dumps([picture, text["text"].partition("\n")[0], body.get("seed") or 0])

    return name


def label(server: Server, folder: Path, *words: str) -> int:
    own = [
        f"base_url={server.url}", "model=seer", "api_key_variable=null", f"cache={folder}/replies",
        f"output={folder}/made", "replies=3", "timeout_s=5",
    ]  # fmt: skip
    return main(["label", *own, *words])


def ask(
    folder: Path, say: Say, *words: str, logprob: Callable[[str], float] | None = lambda name: -0.1
) -> Server:
    pattern = make_shards(folder / "pets")
    answer = lambda name: say(*json.loads(name))  # noqa: E731
    with serving(answer=answer, name=name_of(folder / "pets"), logprob=logprob) as server:
        assert label(server, folder, pattern, *words) == 0
    return server


def right(picture: str, question: str, number: int) -> str:
    return dict(ASKED[picture])[question]


def account(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "made/funnel.json").read_text())["kinds"]


def test_what_holds_becomes_a_source(tmp_path: Path) -> None:
    server = ask(tmp_path, right)
    assert sum(server.asked.values()) == 15
    dogs, cats = json.loads((tmp_path / "made/llava.json").read_text())
    assert [turn["value"] for turn in dogs["conversations"]] == [
        f"<image>\nIs there a dog?\n{SHORT_ANSWER}", "yes", "What color is it?", "brown",
        "Is there a cat?", "no",
    ]  # fmt: skip
    origin = cats["provenance"]
    assert (origin["asked"], origin["model"], origin["date"]) == (
        "seer",
        "judge-0314",
        "1970-01-01T00:00:01+00:00",
    )
    assert [answer["agreement"] for answer in origin["answers"]] == [1.0, 1.0]
    assert [answer["confidence"] for answer in origin["answers"]] == pytest.approx([math.exp(-0.1)] * 2)
    source = ShardSource("made", find_shards("made", f"{tmp_path}/made/labelled-*.tar"))
    assert [turn.text for turn in source[0].turns] == [turn["value"] for turn in dogs["conversations"]]
    assert source[1].images == ((tmp_path / "pets/cats.png").read_bytes(),)
    manifest = json.loads((tmp_path / "made/manifest.json").read_text())
    assert (manifest["count"], manifest["labelling"]["complete"]) == (2, True)
    assert "agreement 1.00" in (tmp_path / "made/review.html").read_text()


def test_each_rule_has_its_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def say(picture: str, question: str, number: int) -> str:
        if question == "What color is it?":
            return f"color {number}" if picture == "dogs" else ""
        return (
            "no" if (picture, question) == ("dogs", "Is there a dog?") else right(picture, question, number)
        )

    objects = tmp_path / "objects.jsonl"
    objects.write_text(
        '{"image": "dogs.png", "objects": ["dog"]}\n{"image": "cats.png", "objects": ["cat"]}\n'
    )
    unsure: Callable[[str], float] = lambda name: -2.0 if "cats" in name and "cat?" in name else -0.1  # noqa: E731
    ask(tmp_path, say, f"objects={objects}", "min_agreement=0.8", logprob=unsure)
    (pets,) = account(tmp_path).values()
    assert pets["rejected"] == {"contradicted": 1, "disagree": 1, "unsure": 1, "empty": 1}
    assert (pets["asked"], pets["accepted"], pets["known"], pets["right"]) == (5, 1, 5, 2)
    assert (pets["known_accepted"], pets["right_accepted"]) == (1, 1)
    rejected = [json.loads(line) for line in (tmp_path / "made/rejected.jsonl").read_text().splitlines()]
    assert {(row["key"][9:].split("-")[-1], row["rule"]) for row in rejected} >= {("dogs", "contradicted")}
    printed = capsys.readouterr().out
    assert "objects.jsonl says what is in 2 of 2 pictures" in printed
    assert "| right                  |  40.0 % |" in printed
    assert "| right, of the accepted | 100.0 % |" in printed


def test_most_replies_win_over_the_likeliest(tmp_path: Path) -> None:
    ask(tmp_path, lambda picture, question, number: "green" if number else "gray", "min_agreement=0.4")
    (pets,) = account(tmp_path).values()
    assert pets["accepted"] == 5
    assert "green" in (tmp_path / "made/llava.json").read_text()
    assert "gray" not in (tmp_path / "made/llava.json").read_text()


def test_what_failed_is_asked_again_and_nothing_else(tmp_path: Path) -> None:
    pattern = make_shards(tmp_path / "pets")
    answer = lambda name: right(*json.loads(name))  # noqa: E731
    fails = {"now": True}

    def behave(name: str, before: int) -> str:
        return "too_long" if fails["now"] and json.loads(name) == ["cats", "Is there a cat?", 2] else "well"

    with serving(behave, answer=answer, name=name_of(tmp_path / "pets"), logprob=lambda name: -0.1) as server:
        assert label(server, tmp_path, pattern) == 1
        (pets,) = account(tmp_path).values()
        assert (pets["failed"], pets["accepted"]) == (1, 4)
        fails["now"] = False
        assert label(server, tmp_path, pattern) == 0
        assert account(tmp_path)["pets"]["accepted"] == 5
        assert sum(server.asked.values()) == 16
        assert label(server, tmp_path, pattern) == 0  # it is there
    assert sum(server.asked.values()) == 16
    assert not list(tmp_path.glob(".made*"))


def test_pictures_without_questions_are_described(tmp_path: Path) -> None:
    make_shards(tmp_path / "pets")
    (tmp_path / "pets/broken.png").write_bytes(b"no picture")
    say: Callable[[str], str] = lambda name: f"A picture of {json.loads(name)[0]}."  # noqa: E731
    with serving(answer=say, name=name_of(tmp_path / "pets"), logprob=lambda name: 0.0) as server:
        words = [f"images={tmp_path}/pets", "question=Describe the image.", "source=captions"]
        assert label(server, tmp_path, *words) == 0
    assert account(tmp_path)["pictures"]["rejected"] == {"no-picture": 1}
    assert len(list((tmp_path / "made").glob("captions-*.tar"))) == 1
    first = json.loads((tmp_path / "made/llava.json").read_text())[0]
    assert [turn["value"] for turn in first["conversations"]] == [
        "<image>\nDescribe the image.",
        "A picture of cats.",
    ]


def test_an_endpoint_that_does_not_say_how_likely_words_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pattern = make_shards(tmp_path / "pets")
    answer = lambda name: right(*json.loads(name))  # noqa: E731
    with serving(answer=answer, name=name_of(tmp_path / "pets")) as server:
        assert label(server, tmp_path, pattern) == 2
        assert "say min_confidence=0" in capsys.readouterr().err
        assert not (tmp_path / "made").exists()
        assert label(server, tmp_path, pattern, "min_confidence=0") == 0
    assert sum(server.asked.values()) == 15


def test_boxes_of_other_pictures_are_no_help(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pattern = make_shards(tmp_path / "pets")
    (tmp_path / "objects.jsonl").write_text('{"image": "pets/dogs.png", "objects": ["dog"]}\n')
    with serving() as server:
        assert label(server, tmp_path, pattern, f"objects={tmp_path}/objects.jsonl") == 2
    assert "knows none of the 2 pictures; it must name them as their records do, as in dogs.png" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ((), "say what is asked about: shards=GLOB or images=DIR"),
        (("images=.",), "images=. needs question=TEXT"),
        (("shards=a.tar", "images=."), "one of both"),
        (("shards=none.tar",), "none.tar"),
        (("shards=none.tar", "replies=0"), "replies must be at least 1"),
        (("shards=none.tar", "temperature=0"), "temperature must be above 0"),
        (("shards=none.tar", "min_agreement=2"), "min_agreement must be from 0 to 1"),
        (("shards=none.tar", "max_tokens=0"), "max_tokens must be at least 1"),
        (("shards=none.tar", "synonyms=a.txt"), "synonyms=a.txt goes with objects=FILE"),
        (("shards=none.tar", "objects=a", "objects_format=voc"), "objects_format must be lines or coco"),
        (("shards=none.tar", "encoder=clip336"), "encoder=clip336 has no effect: model=seer"),
        (("shards=none.tar", "turns=last"), "turns must be all or first"),
    ],
)
def test_words_that_are_wrong(
    said: tuple[str, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = [
        "base_url=http://localhost:1",
        "model=seer",
        f"output={tmp_path}/made",
        f"cache={tmp_path}/replies",
    ]
    assert main(["label", *own, *said]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "made").exists()
