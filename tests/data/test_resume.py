"""Resuming seeks: a step reads nothing but its own samples, and none is read twice."""

from pathlib import Path

import lightning
import numpy as np
import pytest
import torch

from tests.conftest import Compose
from vlm.build import build_model
from vlm.build_data import build_dataset
from vlm.data.module import DataModule
from vlm.data.order import SourceSize, epoch_order
from vlm.data.shards import ShardSource
from vlm.data.steps import Step


@pytest.mark.parametrize("step", [0, 900])
def test_a_step_reads_its_own_samples_and_no_others(
    step: int, compose: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing before it is replayed."""
    words = [
        "stage=align_shapes",
        "stage.after=null",
        "mixture.caption.samples=4000",
        "trainer.max_steps=null",
    ]
    config = compose(*words, "stage.steps=1000")
    dataset = build_dataset(config, build_model(config))
    dataset.measure(range(4 * step, 4 * step + 4))
    read, numbers = ShardSource.read, []

    def counting(self: ShardSource, number: int, extensions: object = None) -> object:
        numbers.append(number)
        return read(self, number, extensions)

    monkeypatch.setattr(ShardSource, "read", counting)
    [row] = dataset[step].rows
    assert len(numbers) == len(row.keys) == 4


def test_partial_passes_of_a_large_source_are_whole_over_epochs() -> None:
    source = SourceSize([1000] * 100, 30_000)
    seen = np.concatenate([epoch_order([source], 1, epoch)[:, 1] for epoch in range(10)])
    assert np.bincount(seen, minlength=100_000).tolist() == [3] * 100_000


class Reader(lightning.LightningModule):
    """Remembers what it reads."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.keys: list[list[str]] = []

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def training_step(self, step: Step, step_index: int) -> torch.Tensor:
        self.keys.append([key for row in step.rows for key in row.keys])
        return (self.weight * len(self.keys)).sum()


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_resumed_run_reads_what_is_left(num_workers: int, compose: Compose, tmp_path: Path) -> None:
    def fit(first_step: int, num_steps: int) -> list[list[str]]:
        config = compose("stage=align_shapes", "stage.after=null", "trainer.max_steps=6")
        data = DataModule(build_dataset(config, build_model(config)), num_workers)
        data.first_step = first_step
        trainer = lightning.Trainer(
            accelerator="cpu", max_steps=num_steps, max_epochs=-1, logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False, default_root_dir=tmp_path,
        )  # fmt: skip
        reader = Reader()
        trainer.fit(reader, data)
        return reader.keys

    whole = fit(0, 6)
    assert fit(0, 3) + fit(3, 3) == whole
    assert len({key for keys in whole for key in keys}) == 24
