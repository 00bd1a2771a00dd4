"""A data set that can be trained on, and says where it comes from."""

import json
import shutil
from pathlib import Path

import pytest

from tests.endpoint.server import serving
from tests.synthesis.making import answer_well, name_of, read_account, sentences, synthesize, write_source
from vlm.data.locate import find_shards
from vlm.data.shards import ShardSource

PRICES = ("input_price=2", "output_price=10")


def test_records_hold_a_conversation_a_picture_and_where_they_come_from(tmp_path: Path) -> None:
    words = write_source(tmp_path / "source", 12)
    with serving(answer=answer_well, name=name_of) as server:
        assert synthesize(server.url, tmp_path, *words, *PRICES, "samples_per_shard=20", "name=set") == 0
    made = tmp_path / "made"
    source = ShardSource("set", find_shards("shards", str(made / "set-*.tar")))
    records = json.loads((made / "llava.json").read_text())
    assert len(source) == len(records) == 36
    assert source.shard_sizes == [20, 16]
    places = set()
    for number, record in enumerate(records):
        sample = source[number]
        assert [turn.text for turn in sample.turns] == [turn["value"] for turn in record["conversations"]]
        assert sample.images == ((tmp_path / "source" / record["image"]).read_bytes(),)
        first = record["conversations"][0]["value"]
        places.add((first.startswith("<image>\n"), first.endswith("\n<image>")))
        origin = record["provenance"]
        assert (origin["asked"], origin["model"]) == ("teacher", "judge-0314")
        assert (origin["input_tokens"], origin["output_tokens"]) == (11, 3)
        assert origin["cost"] == pytest.approx((11 * 2 + 3 * 10) / 1e6)
        assert origin["date"] == "1970-01-01T00:00:01+00:00"  # the fake server's clock
    assert places == {(True, False), (False, True)}
    assert [record["id"] for record in records[:4]] == ["00000", "00000", "00000", "00001"]
    assert [record["provenance"]["kind"] for record in records[:3]] == ["conversation", "detail", "reasoning"]
    assert len({record["provenance"]["prompt"] for record in records}) == 3
    assert len({record["provenance"]["request"] for record in records}) == 36
    manifest = json.loads((made / "manifest.json").read_text())
    assert (manifest["count"], manifest["synthesis"]["complete"]) == (36, True)
    assert read_account(tmp_path)["cost"] == pytest.approx(36 * 52e-6)
    assert "image_url" not in json.dumps(server.bodies)


def test_the_same_replies_give_the_same_bytes(tmp_path: Path) -> None:
    words = write_source(tmp_path / "source", 5)
    with serving(answer=answer_well, name=name_of) as server:
        assert synthesize(server.url, tmp_path, *words) == 0
        first = {path.name: path.read_bytes() for path in (tmp_path / "made").iterdir()}
        shutil.rmtree(tmp_path / "made")
        assert synthesize(server.url, tmp_path, *words, "concurrency=1") == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "made").iterdir()} == first
    assert sum(server.asked.values()) == 15


def test_pictures_that_are_not_there_or_the_same_are_not_asked_about(tmp_path: Path) -> None:
    words = write_source(tmp_path / "source", 6)
    folder = tmp_path / "source"
    (folder / "00001.png").unlink()
    (folder / "00002.png").write_bytes((folder / "00003.png").read_bytes())
    (folder / "00004.png").write_bytes((folder / "00004.png").read_bytes()[:90])
    rows = json.loads((folder / "source.json").read_text())
    rows[5]["captions"] = []
    (folder / "source.json").write_text(json.dumps(rows))
    with serving(answer=answer_well, name=name_of) as server:
        assert synthesize(server.url, tmp_path, *words, "kinds=[detail]") == 0
    assert len(server.asked) == 2
    account = read_account(tmp_path)
    assert account["set_aside"] == {"no-picture": 2, "same-picture": 1, "no-caption": 1}
    assert account["kinds"]["detail"]["accepted"] == 2


def test_a_picture_that_comes_later_is_asked_about(tmp_path: Path) -> None:
    words = [*write_source(tmp_path / "source", 3), "kinds=[detail]"]
    hidden = (tmp_path / "source/00001.png").rename(tmp_path / "00001.png")
    fails = {"now": True}
    with serving(
        lambda name, before: "too_long" if fails["now"] else "well", answer=answer_well, name=name_of
    ) as server:
        assert synthesize(server.url, tmp_path, *words) == 1
        assert read_account(tmp_path)["set_aside"] == {"no-picture": 1}
        hidden.rename(tmp_path / "source/00001.png")
        fails["now"] = False
        assert synthesize(server.url, tmp_path, *words) == 0
    assert read_account(tmp_path)["set_aside"] == {}
    assert read_account(tmp_path)["kinds"]["detail"]["accepted"] == 3


def test_without_pictures_there_is_llavas_json_alone(tmp_path: Path) -> None:
    words = write_source(tmp_path / "source", 2, pictures=False)
    with serving(answer=answer_well, name=name_of) as server:
        assert synthesize(server.url, tmp_path, *words, "kinds=[detail]", "limit=1") == 0
    assert len(json.loads((tmp_path / "made/llava.json").read_text())) == 1
    assert not list((tmp_path / "made").glob("*.tar"))


def test_texts_that_are_nearly_the_same_become_one_record(tmp_path: Path) -> None:
    words = write_source(tmp_path / "source", 4)
    with serving(answer=lambda name: sentences("same", 9), name=name_of) as server:
        assert synthesize(server.url, tmp_path, *words, "kinds=[detail]") == 0
    assert read_account(tmp_path)["kinds"]["detail"]["rejected"] == {"same-text": 3}
    rejected = [json.loads(line) for line in (tmp_path / "made/rejected.jsonl").read_text().splitlines()]
    assert [(row["key"], row["rule"]) for row in rejected] == [(f"0000{n}", "same-text") for n in (1, 2, 3)]


def test_where_nothing_is_accepted_the_account_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = write_source(tmp_path / "source", 2)
    with serving(answer=lambda name: "gibberish", name=name_of) as server:
        assert synthesize(server.url, tmp_path, *words) == 1
    rejected = {kind: tally["rejected"] for kind, tally in read_account(tmp_path)["kinds"].items()}
    assert rejected == {
        "conversation": {"no-blocks": 2},
        "detail": {"short": 2},
        "reasoning": {"no-blocks": 2},
    }
    assert json.loads((tmp_path / "made/llava.json").read_text()) == []
    assert "0 records" in capsys.readouterr().out


def test_the_shapes_world_becomes_a_set_with_its_pictures(data_folder: Path, tmp_path: Path) -> None:
    words = [
        "format=shapes",
        f"source={data_folder}/shapes",
        "kinds=[conversation]",
        "limit=5",
        "max_distance=0",
    ]
    with serving(answer=answer_well, name=name_of) as server:
        assert synthesize(server.url, tmp_path, *words) == 0
    records = json.loads((tmp_path / "made/llava.json").read_text())
    assert 1 < len(records) <= 5
    source = ShardSource("set", find_shards("shards", f"{tmp_path}/made/*.tar"))
    for number, record in enumerate(records):
        assert source[number].images == ((tmp_path / "made/images" / record["image"]).read_bytes(),)


def test_somebody_elses_folder_is_left_alone(tmp_path: Path) -> None:
    words = write_source(tmp_path / "source", 1)
    (tmp_path / "made").mkdir()
    (tmp_path / "made/mine.txt").write_text("x")
    assert synthesize("http://localhost:1/v1", tmp_path, *words) == 2
    assert (tmp_path / "made/mine.txt").read_text() == "x"


def test_the_page_shows_pictures_contexts_and_results(tmp_path: Path) -> None:
    words = write_source(tmp_path / "source", 8)
    answered = {"conversation": "I'm sorry, but <b>no</b>."}
    with serving(
        answer=lambda name: answered.get(name.split()[0]) or answer_well(name), name=name_of
    ) as server:
        assert synthesize(server.url, tmp_path, *words, "show=8") == 0
    page = (tmp_path / "made/review.html").read_text()
    assert page.count("<section>") == 8 + 2
    assert page.count("data:image/png;base64,") == 10
    assert "rejected: refusal" in page
    assert "&lt;b&gt;no&lt;/b&gt;" in page
    assert "dog: [0.1, 0.2, 0.3" in page
    assert "http://" not in page.replace(server.url, "")
