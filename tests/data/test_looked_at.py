"""Samples with other pictures or none: what differs is the picture."""

import io
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import Compose
from vlm.build import build_model
from vlm.build_data import build_readers
from vlm.corpus.write import Record, write_shards
from vlm.data.document import Document, DocumentReader
from vlm.data.looked_at import LookedAt, choose, supervise_alike
from vlm.data.tokens import IGNORE_ID, IMAGE_ID
from vlm.model.vision_language import VisionLanguageModel

ASK = "<image>\nWhich color?"


def picture(color: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (40, 30), color).save(file, "PNG")
    return file.getvalue()


def shards(folder: Path, *samples: tuple[str, str, list[bytes]]) -> str:
    """Write samples of question, answer and pictures."""
    records = [
        Record(
            f"{number:03d}",
            {"conversations": [{"from": "human", "value": asked}, {"from": "gpt", "value": said}]},
            {f"{place}.png": data for place, data in enumerate(pictures)},
        )
        for number, (asked, said, pictures) in enumerate(samples)
    ]
    folder.mkdir()
    list(write_shards(records, folder, "x", 4))
    return f"'{folder}/*.tar'"


@pytest.fixture
def sources(compose: Compose, tmp_path: Path) -> tuple[VisionLanguageModel, dict[str, DocumentReader]]:
    """Colors, some of them shown twice; a source with one picture; pairs; text; and a broken picture."""
    colors = ["red", "blue", "green", "red", "black", "blue", "white"]
    one = shards(tmp_path / "one", *((ASK, color, [picture(color)]) for color in colors))
    lone = shards(tmp_path / "lone", (ASK, "pink", [picture("pink")]), (ASK, "rose", [picture("pink")]))
    two = shards(tmp_path / "two", (f"<image>{ASK}", "both", [picture("red"), picture("blue")]))
    text = shards(tmp_path / "text", *(("How many?", "two", []) for _ in range(3)))
    bad = shards(tmp_path / "bad", (ASK, "none", [b"no picture"]), (ASK, "gray", [picture("gray")]))
    words = [
        f"~mixture.{name}" for name in ("attribute", "count", "relation", "exist", "ocr", "conversation")
    ]
    named = {"one": one, "lone": lone, "two": two, "text": text, "bad": bad}
    words += [f"+mixture.{name}.shards={where}" for name, where in named.items()]
    config = compose("twin=true", "stage.after=null", "trainer.gate.tolerance=1", *words)
    model = build_model(config)
    return model, build_readers(config, model)


def all_of(readers: dict[str, DocumentReader], seed: int = 1) -> LookedAt:
    return LookedAt(readers, {name: range(len(reader)) for name, reader in readers.items()}, seed)


def shown(document: Document) -> tuple[bytes, ...]:
    return tuple(one.tiles.numpy().tobytes() for one in document.pictures)


def test_each_variant_differs_in_its_pictures_only(
    sources: tuple[VisionLanguageModel, dict[str, DocumentReader]],
) -> None:
    model, readers = sources
    looked_at = all_of(readers)
    assert [looked_at.places[place] for place in range(len(looked_at)) if not looked_at[place]][:1] == [
        ("bad", 0)
    ]
    found = looked_at[0]
    assert list(found.documents) == ["right", "blank", "shuffled", "none"]
    right, blank, shuffled, none = found.documents.values()
    assert np.array_equal(right.ids, readers["one"][0].ids)
    for other in (blank, shuffled):
        assert np.array_equal(right.ids, other.ids)
        assert shown(right) != shown(other)
    pixels = model.encoder.normalise(blank.pictures[0].tiles)
    assert pixels.abs().max() < 0.5 / 255 / min(model.encoder.std) + 1e-6, "the nearest byte to zero"
    tokenizer = model.llm.tokenizer
    assert IMAGE_ID not in none.ids
    assert not none.pictures
    assert "Which color?" in tokenizer.decode(none.ids)
    assert len(none.ids) < (right.ids != IMAGE_ID).sum() + 1, "its line has gone, too"
    learned = [tuple(d.labels[d.labels != IGNORE_ID].tolist()) for d in found.documents.values()]
    assert len(set(learned)) == 1
    assert tokenizer.decode(learned[0]).strip().startswith("red")


def test_nobody_is_shown_its_own_and_what_is_shared_is_shared(
    sources: tuple[VisionLanguageModel, dict[str, DocumentReader]],
) -> None:
    _, readers = sources
    del readers["bad"]
    for seed in range(8):
        looked_at = all_of(readers, seed)
        pairs: dict[str, dict[tuple[bytes, ...], set[tuple[bytes, ...]]]] = {}
        for place, (name, _) in enumerate(looked_at.places):
            found = looked_at[place]
            if found and "shuffled" in found.documents:
                mine, other = shown(found.documents["right"]), shown(found.documents["shuffled"])
                assert mine != other
                pairs.setdefault(name, {}).setdefault(mine, set()).add(other)
        assert all(len(others) == 1 for of in pairs.values() for others in of.values())
        given = Counter(other for others in pairs["one"].values() for other in others)
        assert set(given) == set(pairs["one"]), "of the same source, each once"
        assert set(given.values()) == {1}
        assert "lone" in pairs, "one picture only: that of another source"
        assert "two" not in pairs, "nobody else has two"
        assert "text" not in pairs


def test_it_is_a_function_of_the_seed(sources: tuple[VisionLanguageModel, dict[str, DocumentReader]]) -> None:
    _, readers = sources
    orders = [all_of(readers, seed)._others for seed in (1, 1, 2, 3)]
    assert orders[0] == orders[1]
    assert orders[0] != orders[2] or orders[0] != orders[3]


def test_text_is_as_it_is(sources: tuple[VisionLanguageModel, dict[str, DocumentReader]]) -> None:
    _, readers = sources
    looked_at = LookedAt(readers, {"text": [1]}, 1)
    assert list(looked_at[0].documents) == ["right"]


def test_a_template_of_a_picture_and_its_caption_loses_the_picture(compose: Compose) -> None:
    config = compose("stage=align_shapes")
    model = build_model(config)
    looked_at = all_of(build_readers(config, model))
    found = looked_at[0]
    none = found.documents["none"]
    caption = found.sample.turns[1].text
    assert model.llm.tokenizer.decode(none.ids, skip_special_tokens=True).strip() == caption
    assert (none.labels != IGNORE_ID).sum() == (found.documents["right"].labels != IGNORE_ID).sum()


def test_only_what_all_can_predict_is_supervised() -> None:
    def document(*labels: int) -> Document:
        return Document("a/b", np.arange(len(labels)), np.array(labels), [])

    no = IGNORE_ID
    cut, whole, first = document(no, no, 5, 6), document(no, 5, 6, 7), document(5, 6, 7, no)
    alike = supervise_alike({"a": cut, "b": whole, "c": first})
    assert [one.labels.tolist() for one in alike.values()] == [
        [no, no, no, 6],
        [no, no, 6, no],
        [no, 6, no, no],
    ]
    assert supervise_alike({"a": document(no, 5), "b": document(5, 6)}) == {}
    [same] = supervise_alike({"right": whole}).values()
    assert same.labels.tolist() == whole.labels.tolist()


def test_held_out_samples_are_chosen_or_else_a_few_of_each_source(compose: Compose) -> None:
    config = compose("stage.after=null")
    readers = build_readers(config, build_model(config))
    chosen = choose(readers, 32, seed=1)
    assert chosen == choose(readers, 32, seed=1) != choose(readers, 32, seed=2)
    assert sum(map(len, chosen.values())) == 32
    assert {len(numbers) for numbers in chosen.values()} == {5, 6}
    assert all(len(set(numbers)) == len(numbers) for numbers in chosen.values())
    sizes = {name: len(reader) for name, reader in readers.items()}
    everything = choose(readers, 10**6, seed=1)
    assert {name: len(numbers) for name, numbers in everything.items()} == sizes
    config = compose("stage.after=null", "mixture.ocr.held_out=7")
    readers = build_readers(config, build_model(config))
    total = len(readers["ocr"].shards)
    assert choose(readers, 32, seed=1) == {"ocr": list(range(total - 7, total))}
