"""Steps are a pure function of their number, whoever asks and in whatever order."""

from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch

from tests.conftest import Compose
from vlm.build import build_dataset, build_model
from vlm.cli import main
from vlm.data.batch import PackedBatch
from vlm.data.module import StepDataset
from vlm.data.sample import Turn


@pytest.fixture
def dataset(compose: Compose) -> StepDataset:
    config = compose()
    return build_dataset(config, build_model(config))


def same(first: PackedBatch, second: PackedBatch) -> bool:
    pairs = [(getattr(first, field.name), getattr(second, field.name)) for field in fields(PackedBatch)]
    return all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in pairs)


def test_a_step_is_the_same_in_any_order_and_process(dataset: StepDataset) -> None:
    forwards = [dataset[step] for step in range(6)]
    backwards = [dataset[step] for step in reversed(range(6))][::-1]
    loader = torch.utils.data.DataLoader(dataset, batch_size=None, sampler=range(6), num_workers=2)
    for one, two, three in zip(forwards, backwards, loader, strict=True):
        assert same(one, two)
        assert same(one, three)


def test_an_epoch_reads_every_sample_once(dataset: StepDataset) -> None:
    keys = [key for step in range(dataset.num_steps(1.0)) for key in dataset[step].keys]
    assert len(set(keys[: dataset.num_samples])) == dataset.num_samples


def test_placeholders_must_match_pictures(dataset: StepDataset) -> None:
    sample = dataset._sample(0)
    broken = replace(sample, turns=(Turn("human", "no picture here"), Turn("gpt", "x")))
    with pytest.raises(ValueError, match=f"{sample.key}: 0 <image> for 1 pictures"):
        dataset._tokens(broken)


def test_a_broken_picture_is_named(dataset: StepDataset) -> None:
    sample = replace(dataset._sample(0), images=(b"no picture",))
    with pytest.raises(ValueError, match=f"{sample.key}: its picture cannot be decoded"):
        dataset._pictures(sample)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_what_a_worker_finds_wrong_is_one_line(
    num_workers: int,
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def broken(self: StepDataset, sample: object) -> None:
        raise ValueError("caption/7: its picture cannot be decoded")

    monkeypatch.setattr(StepDataset, "_pictures", broken)
    assert main(["train", *words, "stage=align", f"trainer.num_workers={num_workers}"]) != 0
    printed = capsys.readouterr().err.strip().splitlines()
    assert printed[-1] == "vlm: error: caption/7: its picture cannot be decoded"


def test_a_mixture_of_nothing_is_an_error(compose: Compose, data_folder: Path) -> None:
    config = compose("stage=align", "stage.after=null", "mixture.caption.weight=0.0001")
    with pytest.raises(ValueError, match="mixture holds no sample"):
        build_dataset(config, build_model(config))
