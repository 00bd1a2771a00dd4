"""States: written beside the training, whole or not at all."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from vlm.training.checkpoint import Checkpoints

FACTS = {"skipped": 0, "validation_loss": None, "loss": 1.0}


def test_what_is_written_is_what_was_when_it_was_saved(tmp_path: Path) -> None:
    """However the tensors change while they are being written."""
    checkpoints, tensor = Checkpoints(tmp_path, 3), torch.ones(20_000_000)
    checkpoints.save(1, {"a": tensor}, FACTS)
    tensor.fill_(7)
    checkpoints.wait()
    [file] = (tmp_path / "1").glob("*.safetensors")
    assert load_file(file)["a"].max() == 1
    checkpoints.load(1, {"a": tensor})
    assert tensor.max() == 1


def test_a_state_is_there_once_it_is_waited_for(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, 2)
    for step in range(1, 30):
        checkpoints.save(step, {"a": torch.zeros(3), "b": torch.tensor(2.0)}, FACTS)
        checkpoints.wait()
        assert checkpoints.steps() == [step - 1, step] if step > 1 else [1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["28", "29"]


def test_the_best_is_kept_beside_the_last(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, 1, keep_best=True)
    for step, loss in enumerate((3.0, 1.0, 2.0, None)):
        checkpoints.save(step, {"a": torch.zeros(3)}, FACTS | {"validation_loss": loss})
    checkpoints.wait()
    assert checkpoints.steps() == [1, 3]
    assert checkpoints.best() == 1
    checkpoints.keep_only_best()
    assert checkpoints.steps() == [1]
    Checkpoints(tmp_path).keep_only_best()
    assert not tmp_path.exists()


def test_a_write_that_fails_is_heard_of_and_leaves_the_state_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = Checkpoints(tmp_path, 1)
    checkpoints.save(1, {"a": torch.zeros(3)}, FACTS)
    checkpoints.wait()

    def full_disk(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("vlm.training.checkpoint.write_json", full_disk)
    checkpoints.save(2, {"a": torch.zeros(3)}, FACTS)
    with pytest.raises(OSError, match="No space left"):
        checkpoints.wait()
    assert checkpoints.steps() == [1]


def test_a_state_of_other_tensors_is_named(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, 1)
    checkpoints.save(1, {"a": torch.zeros(3)}, FACTS)
    checkpoints.wait()
    for other in ({"a": torch.zeros(4)}, {"b": torch.zeros(3)}):
        with pytest.raises(ValueError, match=rf"does not fit the model at {next(iter(other))}; delete it"):
            checkpoints.load(1, other)
