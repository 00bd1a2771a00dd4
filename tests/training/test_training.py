"""Whole stages: what changes, what does not, and going on after a stop."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from vlm.cli import main
from vlm.training.parts import learning_parts
from vlm.training.task import Task

Train = Callable[..., int]


@pytest.fixture
def train(words: list[str]) -> Train:
    return lambda *overrides: main(["train", *words, "evaluation=none", *overrides])


def folder(runs: Path, stage: str) -> Path:
    [found] = runs.glob(f"{stage}-*")
    return found


def test_frozen_parts_stay_and_learning_parts_all_change(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, list[dict[str, torch.Tensor]]] = {}

    def remember(self: Task) -> None:
        weights = {name: weight.detach().clone() for name, weight in self.model.named_parameters()}
        seen.setdefault(",".join(learning_parts(self.model)), []).append(weights)

    monkeypatch.setattr(Task, "on_train_start", remember)
    monkeypatch.setattr(Task, "on_train_end", remember)
    assert train() == 0
    assert list(seen) == ["projector", "projector,llm"]
    for learning, (before, after) in seen.items():
        for name, weight in before.items():
            learns = name.split(".")[0] in learning.split(",")
            assert torch.equal(weight, after[name]) != learns, f"{learning}: {name}"
    for name, weight in seen["projector"][1].items():
        assert torch.equal(weight, seen["projector,llm"][0][name]), f"instruct starts from align: {name}"


def test_a_stopped_run_goes_on_to_the_same_weights(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("stage=align_shapes", f"paths.runs={tmp_path}/whole") == 0
    step = Task.training_step

    def interrupted(self: Task, batch: object, batch_index: int) -> None:
        if self.step == 0:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, batch, batch_index)

    with monkeypatch.context() as patch:
        patch.setattr(Task, "training_step", interrupted)
        assert train("stage=align_shapes") == 130
    stopped = folder(tmp_path / "runs", "align")
    assert (stopped / "checkpoints/1/state.json").exists()
    assert not (stopped / "manifest.json").exists()
    assert "stopped after step 1" in capsys.readouterr().out
    assert train("stage=align_shapes") == 0
    assert "going on from step 1" in capsys.readouterr().out
    assert not (stopped / "checkpoints").exists()
    whole = load_file(folder(tmp_path / "whole", "align") / "weights/projector.safetensors")
    resumed = load_file(stopped / "weights/projector.safetensors")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_finished_run_is_never_trained_twice(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("stage=align_shapes") == 0
    manifest = folder(tmp_path / "runs", "align") / "manifest.json"
    written = manifest.stat().st_mtime_ns
    capsys.readouterr()
    assert train("stage=align_shapes") == 0
    assert "is finished (4 steps); nothing to train" in capsys.readouterr().out
    assert manifest.stat().st_mtime_ns == written
    assert train("stage.after.batch_size=4") == 0
    out = capsys.readouterr().out
    assert "align-" in out
    assert "nothing to train" in out
    assert "instruct: training" in out
    assert manifest.stat().st_mtime_ns == written


def test_the_manifest_describes_the_run(train: Train, tmp_path: Path) -> None:
    assert train("stage=align_shapes") == 0
    manifest = json.loads((folder(tmp_path / "runs", "align") / "manifest.json").read_text())
    assert manifest["steps"] == 4
    assert manifest["parts"]["projector"]["learned"]
    assert manifest["parts"]["projector"]["parameters"]["layers.0.weight"]["shape"] == [128, 128]
    assert not manifest["parts"]["llm"]["learned"]
    assert manifest["image"]["mode"] == "crop"
    assert manifest["provenance"]["torch"]


@pytest.fixture
def stopped(train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run with states at steps 2 and 4, whose weights found no room."""

    def full_disk(*_: object) -> None:
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("vlm.study.stage.save_weights", full_disk)
        assert train("stage=align_shapes", "trainer.checkpoint_every=2", "trainer.keep_last=2") != 0
    return folder(tmp_path / "runs", "align") / "checkpoints"


def test_a_state_that_does_not_fit_is_named(
    train: Train, stopped: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [file] = (stopped / "4").glob("*.safetensors")
    state = load_file(file)
    save_file(state | {"weights.projector.layers.0.bias": torch.zeros(2)}, file)
    assert train("stage=align_shapes") != 0
    assert (
        "checkpoints/4 does not fit the model at weights.projector.layers.0.bias" in capsys.readouterr().err
    )
    file.write_bytes(b"nonsense")
    assert train("stage=align_shapes") != 0
    printed = capsys.readouterr().err.strip()
    assert "is no state to go on from" in printed
    assert "delete it" in printed
    assert len(printed.splitlines()) == 1


def test_where_a_run_goes_on_can_be_said(
    train: Train, stopped: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sorted(path.name for path in stopped.iterdir()) == ["2", "4"]
    assert train("stage=align_shapes", "resume=3") != 0
    assert "resume=3 must be auto, never, or a state of" in capsys.readouterr().err
    assert train("stage=align_shapes", "resume=2") == 0
    assert "going on from step 2" in capsys.readouterr().out
    assert not stopped.exists()


def test_a_run_that_ended_before_it_was_written_is_written(
    train: Train, stopped: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is left to train."""
    capsys.readouterr()
    assert train("stage=align_shapes") == 0
    assert "going on from step 4" in capsys.readouterr().out
    manifest = json.loads((stopped.parent / "manifest.json").read_text())
    assert manifest["last_loss"] > 0
    assert manifest["changed"]["projector"]["learned"] == 4


def test_a_run_can_be_begun_again(train: Train, stopped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert train("stage=align_shapes", "resume=never") == 0
    assert "going on" not in capsys.readouterr().out


def test_a_loss_that_is_no_number_stops_the_run(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nan = torch.tensor([float("nan")], requires_grad=True)
    monkeypatch.setattr("vlm.model.vision_language.language_loss", lambda *_: nan)
    assert train("stage=align_shapes") != 0
    assert "loss is nan at step 0; its batch is kept in" in capsys.readouterr().err
    [batch] = folder(tmp_path / "runs", "align").glob("not_finite/step-0-rank-0.safetensors")
    assert load_file(batch)["0.ids"].ndim == 1
    assert not (folder(tmp_path / "runs", "align") / "manifest.json").exists()


def test_an_adapter_trains_resumes_and_leaves_the_rest(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With dropout: the resumed run draws what the uninterrupted one did."""
    words = ["stage.after=null", "twin=true", "adapter=lora64", "stage.learns.llm=adapter"]
    assert train(*words, f"paths.runs={tmp_path}/whole") == 0
    step = Task.training_step

    def interrupted(self: Task, batch: object, batch_index: int) -> None:
        if self.step == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, batch, batch_index)

    monkeypatch.setattr(Task, "training_step", interrupted)
    assert train(*words, "trainer.checkpoint_every=2", f"paths.runs={tmp_path}/halved") != 0
    monkeypatch.undo()
    [file] = folder(tmp_path / "halved", "instruct").glob("checkpoints/2/*.safetensors")
    assert all("projector" in name or "lora" in name for name in load_file(file))
    assert train(*words, "trainer.checkpoint_every=2", f"paths.runs={tmp_path}/halved") == 0
    whole, halved = (folder(tmp_path / run, "instruct") / "weights" for run in ("whole", "halved"))
    for file in ("projector.safetensors", "llm/adapter_model.safetensors"):
        first, second = load_file(whole / file), load_file(halved / file)
        assert all(torch.equal(first[name], second[name]) for name in first)
        assert file != "llm/adapter_model.safetensors" or all(w.any() for w in first.values()), "all learned"
