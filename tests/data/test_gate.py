"""The label gate counts what teaches nothing, and stops a run that would learn the wrong thing."""

import io
import json
import shutil
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.conftest import Compose
from vlm.build import plan_model
from vlm.build_data import build_readers
from vlm.cli import main
from vlm.corpus.write import Record, write_shards
from vlm.data.gate import check, describe, look, spread
from vlm.data.measure import Measures
from vlm.data.template import TurnTemplate
from vlm.data.tokens import IGNORE_ID, Tokens

GOOD = [("human", "<image>\nWhich color?"), ("gpt", "red")]
LONG = [("human", "<image>\n" + "What? " * 900), ("gpt", "red")]
CUT = [("human", "<image>\nTell."), ("gpt", "red " * 3000)]
EMPTY = [("human", "<image>\nWhich color?"), ("human", "Well?")]
DEEP = [("human", "What? " * 1200 + "<image>"), ("gpt", "red")]


def shards(folder: Path, *conversations: list[tuple[str, str]]) -> str:
    file = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(file, "PNG")
    picture = file.getvalue()
    records = [
        Record(str(key), {"conversations": [{"from": s, "value": t} for s, t in turns]}, {"png": picture})
        for key, turns in enumerate(conversations)
    ]
    folder.mkdir()
    assert len(list(write_shards(records, folder, "x", 3))) == -(-len(records) // 3)
    return f"{folder}/*.tar"


def seen(compose: Compose, tmp_path: Path, *conversations: list[tuple[str, str]]):
    glob = shards(tmp_path / "made", *conversations)
    config = compose("stage.after=null", "mixture=folder", f"mixture.samples.shards='{glob}'",
                     "llm.context_length=1024")  # fmt: skip
    [reader] = build_readers(config, plan_model(config)).values()
    return look(Measures(reader, tmp_path / "measures"), 200)


def test_every_fault_is_counted_by_its_kind(compose: Compose, tmp_path: Path) -> None:
    report = seen(compose, tmp_path, GOOD, LONG, CUT, EMPTY, DEEP, GOOD, GOOD)
    assert report.seen == 7
    assert dict(report.faults) == {
        "record": 1, "picture": 0, "overflow": 1, "nothing": 1, "shard": 0, "cut": 1,
        "mismatch": 0,
    }  # fmt: skip
    assert dict(report.first) == {"record": 3, "overflow": 4, "nothing": 1, "cut": 2}
    assert "1 record, 1 overflow, 1 nothing, 1 cut" in list(describe([report]))[1]


def test_too_many_are_an_error_that_names_source_number_and_remedy(compose: Compose, tmp_path: Path) -> None:
    report = seen(compose, tmp_path, GOOD, LONG, GOOD, GOOD)
    check([report], 0.25)
    with pytest.raises(
        ValueError,
        match=r"mixture.samples: 1 of 4 samples teach nothing, or the wrong thing \(1 nothing; the first is "
        r"number 1\); raise llm.context_length",
    ):
        check([report], 0.2)


def test_learned_text_that_is_not_the_answers_is_seen(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a count goes astray, and labels lie beside the answers."""
    right = TurnTemplate.tokens

    def shifted(self: TurnTemplate, turns: object, tokenizer: object) -> Tokens:
        made = right(self, turns, tokenizer)
        first = next(place for place, label in enumerate(made.labels) if label != IGNORE_ID)
        return Tokens(made.ids, [*made.labels[: first - 2], *made.ids[first - 2 :]])

    assert seen(compose, tmp_path, GOOD).faults["mismatch"] == 0
    monkeypatch.setattr(TurnTemplate, "tokens", shifted)
    shutil.rmtree(tmp_path / "made")
    shutil.rmtree(tmp_path / "measures")
    report = seen(compose, tmp_path, GOOD)
    assert report.faults["mismatch"] == 1
    assert "choose the template that the tokenizer was taught" in str(report.complaint(0.0))


def test_a_run_stops_before_its_first_step(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    glob = shards(tmp_path / "made", EMPTY, GOOD)
    sentence = ["train", *words, "stage.after=null", "mixture=folder", f"mixture.samples.shards='{glob}'",
                "evaluation=none"]  # fmt: skip
    assert main(sentence) != 0
    assert "mixture.samples: 1 of 2 samples teach nothing" in capsys.readouterr().err
    assert main([*sentence, "trainer.gate.tolerance=0.5", "trainer.on_error=skip"]) == 0
    assert "samples      2" in capsys.readouterr().out
    manifest = json.loads(next(tmp_path.glob("runs/*/manifest.json")).read_text())
    assert manifest["steps"] == 4


@given(st.integers(1, 40), st.integers(0, 99), st.integers(1, 50))
def test_numbers_are_spread_from_the_first_to_the_last(size: int, start: int, count: int) -> None:
    numbers = spread(start, start + size, count).tolist()
    assert len(set(numbers)) == len(numbers) == min(size, count)
    assert numbers[0] == start
    assert count == 1 or numbers[-1] == start + size - 1
    steps = {after - before for before, after in pairwise(numbers)}
    assert not steps or max(steps) - min(steps) <= 1
