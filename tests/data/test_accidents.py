"""Workers that are killed, shards that are cut off or vanish: a clear line and nothing lost, or skipped."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from multiprocessing.connection import Client
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.utils.data import get_worker_info

from vlm.cli import main
from vlm.data.steps import Step, StepDataset

Train = Callable[..., int]


@pytest.fixture
def shards(data_folder: Path, tmp_path: Path) -> Path:
    """Captions that may be harmed."""
    folder = tmp_path / "captions"
    folder.mkdir()
    for file in (data_folder / "shapes/train").glob("caption-*"):
        shutil.copy(file, folder)
    return folder


@pytest.fixture
def train(words: list[str], shards: Path) -> Train:
    sentence = ["train", *words, "stage=align_shapes", "evaluation=none",
                f"mixture.caption.shards='{shards}/*.tar'", "mixture.caption.made_by=null",
                "trainer.max_steps=6", "trainer.checkpoint_every=1"]  # fmt: skip
    return lambda *more: main([*sentence, *more])


def at_step(number: int, accident: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let something happen before a step is read, once it is trained for."""
    read = StepDataset.__getitem__

    def reading(self: StepDataset, step: int) -> Step:
        if step == number:
            accident()
        return read(self, step)

    monkeypatch.setattr(StepDataset, "__getitem__", reading)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(next(folder.glob("align-*/weights/projector.safetensors")))


def test_a_killed_worker_is_a_line_and_the_run_goes_on(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def kill() -> None:
        if get_worker_info():
            os.kill(os.getpid(), signal.SIGKILL)

    assert train(f"paths.runs={tmp_path}/whole") == 0
    capsys.readouterr()
    at_step(5, kill, monkeypatch)
    assert train("trainer.num_workers=1") != 0
    [line] = capsys.readouterr().err.strip().splitlines()[-1:]
    assert "a process that prepares data was killed at step" in line
    assert "lower trainer.num_workers, and say the same again to go on" in line
    monkeypatch.undo()
    assert train() == 0
    assert "going on from step" in capsys.readouterr().out
    first, second = weights(tmp_path / "whole"), weights(tmp_path / "runs")
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_what_a_dead_worker_was_handing_over_is_told_as_its_death(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("lightning.Trainer.fit", lambda *_, **__: Client(str(tmp_path / "gone")))
    assert train() != 0
    assert "a process that prepares data was killed at step 0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda shard: os.truncate(shard, 2000), "is cut off; copy or pack it again"),
        (lambda shard: shard.unlink(), "cannot be read"),
    ],
    ids=["cut off", "gone"],
)
def test_a_shard_that_is_harmed_stops_the_run_or_is_skipped_and_counted(
    harm: Callable[[Path], None], said: str, train: Train, shards: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    [shard, *_] = sorted(shards.glob("*.tar"))
    copy = shutil.copy(shard, tmp_path / "whole.tar")
    at_step(4, lambda: harm(shard), monkeypatch)
    assert train() != 0
    [line] = capsys.readouterr().err.strip().splitlines()
    assert str(shard) in line
    assert said in line
    shutil.copy(copy, shard)
    monkeypatch.undo()
    assert train() == 0
    assert "going on from step 4" in capsys.readouterr().out

    at_step(4, lambda: harm(shard) if shard.is_file() else None, monkeypatch)
    assert train("trainer.on_error=skip", f"paths.runs={tmp_path}/skipping") == 0
    printed = capsys.readouterr().out
    manifest = json.loads(next(tmp_path.glob("skipping/*/manifest.json")).read_text())
    assert manifest["skipped"] > 0
    assert f"align: {manifest['skipped']} samples were skipped" in printed
