"""The moving average: its values, its state, and that it is what a run leaves."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.training.spread import train
from vlm.cli import main
from vlm.training.average import Average


def test_it_follows_the_weights() -> None:
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    average = Average([weight], 0.75)
    for value in (2.0, 6.0):
        with torch.no_grad():
            weight.fill_(value)
        average.update()
    assert average.values[0].item() == pytest.approx(0.75 * (0.75 * 1 + 0.25 * 2) + 0.25 * 6)
    average.settle()
    assert weight.item() == pytest.approx(average.values[0].item())


def test_it_is_what_a_run_leaves_and_goes_on_after_a_stop(words: list[str], tmp_path: Path) -> None:
    run = [*words, "stage=align_shapes", "evaluation=none", "stage.optimizer.ema=0.5"]
    assert main(["train", *run]) == 0
    [left] = tmp_path.glob("runs/align-*/weights/projector.safetensors")
    small = [*run, "trainer.checkpoint_every=2"]
    train(small, tmp_path / "halves", None, 2)
    train(small, tmp_path / "halves", 2)
    [last] = (tmp_path / "halves/checkpoints/4").glob("*.safetensors")
    state = load_file(last)
    for name, tensor in load_file(left).items():
        assert torch.equal(tensor, state[f"average.projector.{name}"])
        assert not torch.equal(tensor, state[f"weights.projector.{name}"])
