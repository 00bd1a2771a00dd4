"""What a run was given is counted, and outlives a stop."""

import json
from pathlib import Path

import pytest

from tests.conftest import Compose
from vlm.build import build_flops, build_model
from vlm.build_data import build_data
from vlm.sentence import read_sentence
from vlm.study.stage import train_stage
from vlm.tracking.none import NoTracker
from vlm.training.resume import StoppedEarly
from vlm.training.spent import Spent, summarise
from vlm.training.task import Task

WORDS = ("stage=align_shapes", "trainer.max_steps=4")


def train(compose: Compose, folder: Path, *words: str) -> dict[str, object]:
    planned = read_sentence(compose(*WORDS, f"paths.runs={folder}", *words))
    planned.folder.path.mkdir(parents=True, exist_ok=True)
    train_stage(planned, NoTracker(), "")
    return planned.folder.read_manifest()


def test_a_manifest_says_what_all_steps_took(compose: Compose, tmp_path: Path) -> None:
    config = compose(*WORDS)
    model = build_model(config)
    data, flops = build_data(config, model), build_flops(config)
    rows = [row for step in range(4) for row in data.dataset[step].rows]
    manifest = train(compose, tmp_path / "whole", "trainer.log_every=3")
    assert manifest["flops"] == sum(
        flops.of_row(len(row.tiles), row.edges.lengths, row.num_supervised).model for row in rows
    )
    assert manifest["supervised_tokens"] == sum(row.num_supervised for row in rows) > 0
    assert manifest["tokens"] == sum(len(row.ids) for row in rows)
    assert manifest["visual_tokens"] == sum(len(row.visual_index) for row in rows)
    assert manifest["visual_tokens_per_picture"] == model.projector.num_tokens


def test_a_stop_loses_nothing(compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train(compose, tmp_path / "whole")
    learn = Task.training_step

    def stop(task: Task, step: object, index: int) -> None:
        if task.step == 3:
            raise StoppedEarly(3, 1)
        learn(task, step, index)  # type: ignore[arg-type]

    monkeypatch.setattr(Task, "training_step", stop)
    with pytest.raises(StoppedEarly):
        train(compose, tmp_path / "stopped", "trainer.checkpoint_every=2")
    [state] = (tmp_path / "stopped").glob("*/checkpoints/*/state.json")
    facts = json.loads(state.read_text())
    assert 0 < facts["spent"]["flops"] < whole["flops"]  # type: ignore[operator]
    monkeypatch.setattr(Task, "training_step", learn)
    resumed = train(compose, tmp_path / "stopped", "trainer.checkpoint_every=2")
    for key in ("flops", "tokens", "supervised_tokens", "visual_tokens"):
        assert resumed[key] == whole[key]


def test_a_state_of_a_time_when_nobody_counted_leaves_totals_unknown() -> None:
    spent = Spent.going_on(None)
    spent.flops, spent.visual, spent.pictures = 5, 128, 2
    unknown = dict.fromkeys(("flops", "tokens", "supervised_tokens", "visual_tokens"))
    assert summarise(spent.of_all()) == {**unknown, "visual_tokens_per_picture": 64}
    nothing = {"flops": None, "tokens": 0, "supervised_tokens": 0, "visual_tokens": 0}
    assert summarise(Spent().of_all()) == {**nothing, "visual_tokens_per_picture": None}
    whole = Spent(7, 150, 3, 128, 2)
    assert summarise(whole.of_all()) == {
        "flops": 7, "tokens": 150, "supervised_tokens": 3, "visual_tokens": 128,
        "visual_tokens_per_picture": 64,
    }  # fmt: skip
    assert Spent.going_on(whole.of_all()) == whole
    totals = whole.of_all()
    del totals["tokens"]  # a state of a time when they were not counted
    assert not Spent.going_on(totals).is_whole


def test_the_first_of_several_devices_goes_on_with_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    assert Spent.going_on(vars(Spent(7, 3, 128, 2))) == Spent()
