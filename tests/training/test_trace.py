"""A run's trace says what its steps were, and changes none of them."""

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from tests.training.pair import Pair
from tests.training.traced import train as train_traced
from vlm.cli import main
from vlm.data.steps import StepDataset
from vlm.run.trace import Record, read_trace
from vlm.training.tally import Total
from vlm.training.task import Task
from vlm.training.trace import Trace, sums_of

Train = Callable[..., Path]
ALIGN = (
    "stage=align_shapes", "stage.batch_size=4", "trainer.max_steps=13", "trainer.log_every=4",
    "trainer.num_threads=1", "tracking=none", "evaluation=none",
)  # fmt: skip


@pytest.fixture(scope="module")
def train(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Train:
    """Train into a folder of runs; return the run's."""
    home = tmp_path_factory.mktemp("trace")

    def run(name: str, *more: str, status: int = 0) -> Path:
        words = [f"paths.data={data_folder}", f"paths.runs={home}/{name}", f"paths.cache={home}/cache"]
        assert main(["train", *words, *ALIGN, *more]) == status
        [found] = (home / name).glob("align-*")
        return found

    return run


@dataclass(frozen=True)
class Whole:
    """A run that nobody stopped, and what each of its steps was summed up as."""

    folder: Path
    totals: dict[int, Total]


@pytest.fixture(scope="module")
def whole(train: Train) -> Whole:
    totals: dict[int, Total] = {}
    note = Task._note

    def remember(self: Task, total: Total, optimizer: Any) -> None:
        totals[self.step + 1] = total
        note(self, total, optimizer)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Task, "_note", remember)
        return Whole(train("whole"), totals)


def read(folder: Path) -> Record:
    record = read_trace(folder / "trace.jsonl")
    assert record
    return record


def test_the_first_steps_every_few_and_the_last_are_recorded(whole: Whole) -> None:
    record = read(whole.folder)
    assert list(record.steps) == [*range(1, 11), 12, 13]
    for step, line in record.steps.items():
        assert line["loss"] == whole.totals[step].loss
        since = [11, 12] if step == 12 else [step]
        summed, counted = (sum(whole.totals[n].by_source["caption"][i] for n in since) for i in (0, 1))
        assert line["losses"]["caption"] == pytest.approx(summed / counted, rel=1e-12)
    assert [step for step, line in record.steps.items() if line["gradient_norm"]] == [1, 4, 8, 12, 13]
    assert record.steps[1]["learning_rate"] == {"projector": 0.0}
    assert record.steps[2]["learning_rate"]["projector"] > 0
    [start] = record.starts
    assert start["step"] == 0
    assert set(start["weights"]) == {"encoder", "projector", "llm"}
    assert start["sources"]["caption"]["drawn"] <= start["sources"]["caption"]["samples"]
    assert start["machine"]["devices"] == 1
    assert torch.__version__.startswith(start["provenance"]["torch"])


def test_it_changes_nothing(whole: Whole, train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    for hook in ("before_first_step", "after_step"):
        monkeypatch.setattr(Trace, hook, lambda *_: None)
    without = train("without")
    assert not (without / "trace.jsonl").exists()
    one, two = (load_file(folder / "weights/projector.safetensors") for folder in (whole.folder, without))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_resumed_run_continues_its_trace(
    whole: Whole, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Task.training_step

    def killed(self: Task, batch: object, batch_index: int) -> None:
        if self.step == 6:
            raise OSError("killed")
        if self.step == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, batch, batch_index)

    monkeypatch.setattr(Task, "training_step", killed)
    stopped = train("stopped", status=130)
    assert list(read(stopped).steps) == [1, 2, 3]
    train("stopped", status=2)  # from step 3, and dies in the seventh
    assert list(read(stopped).steps) == [1, 2, 3, 4, 5, 6]
    with (stopped / "trace.jsonl").open("a") as file:
        file.write('{"step": 7, "lo')
    monkeypatch.undo()
    train("stopped")
    record = read(stopped)
    assert [start["step"] for start in record.starts] == [0, 3]
    assert "weights" not in record.starts[1]
    assert record.steps == read(whole.folder).steps


def test_a_run_that_is_begun_again_begins_its_trace_again(whole: Whole, train: Train) -> None:
    before = read(whole.folder)
    (whole.folder / "manifest.json").unlink()
    train("whole", "resume=never")
    again = read(whole.folder)
    assert len(again.starts) == 1
    assert again.steps == before.steps
    assert again.starts[0]["weights"] == before.starts[0]["weights"]


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    both = Pair()
    yield both
    both.close()


@pytest.mark.parametrize("strategy", ["fsdp2", "ddp"])
def test_neither_devices_nor_rows_change_what_is_read_and_where_it_begins(
    strategy: str, pair: Pair, words: list[str], tmp_path: Path
) -> None:
    small = [*words, "stage.after=null", "twin=true", "trainer.max_steps=3"]
    assert train_traced([*small, "trainer.tokens_per_row=150"], tmp_path / "alone") == 4
    written = pair.run(train_traced, [*small, f"strategy={strategy}"], tmp_path / "both")
    assert written == [4, 0]
    alone, both = (read_trace(tmp_path / f"{name}-0.jsonl") for name in ("alone", "both"))
    assert alone
    assert both
    for part, weights in alone.starts[0]["weights"].items():
        assert weights["hash"] == both.starts[0]["weights"][part]["hash"], part
        assert weights["norm"] == pytest.approx(both.starts[0]["weights"][part]["norm"], rel=1e-12)
    for step, line in alone.steps.items():
        assert line["batch"] == both.steps[step]["batch"]
        assert line["loss"] == pytest.approx(both.steps[step]["loss"], rel=1e-5)
        assert line["losses"] == pytest.approx(both.steps[step]["losses"], rel=1e-5)
    assert len({line["batch"] for line in alone.steps.values()}) == 3
    assert [start["machine"]["devices"] for start in (alone.starts[0], both.starts[0])] == [1, 2]


def test_a_batch_is_the_samples_that_are_read(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One less is another, and one that is read twice."""
    rows = StepDataset.rows
    changes: dict[str, Callable[[list[int]], list[int]]] = {
        "as they are": list,
        "turned round": lambda places: places[::-1],
        "one less": lambda places: places[1:],
        "one twice": lambda places: [*places, places[0]],
    }
    batches = {}
    for name, change in changes.items():
        monkeypatch.setattr(
            StepDataset, "rows", lambda self, step, change=change: [change(row) for row in rows(self, step)]
        )
        train_traced([*words, "stage.after=null", "twin=true", "trainer.max_steps=1"], tmp_path / name)
        record = read_trace(tmp_path / f"{name}-0.jsonl")
        assert record
        batches[name] = record.steps[1]["batch"]
    assert batches["as they are"] == batches["turned round"]
    assert len(set(batches.values())) == 3


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64, torch.uint8])
def test_sums_of_weights_are_of_any_cut_and_see_any_change(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    values = (100 * torch.randn(37, 53)).abs().to(dtype)
    whole, squares = sums_of(values)
    cuts = [sums_of(piece) for piece in (values[:5], values[5:5], values[5:])]
    assert sum(cut[0] for cut in cuts) % 2**64 == whole
    assert sum(cut[1] for cut in cuts) == pytest.approx(squares, rel=1e-12)
    if dtype.is_floating_point:
        assert squares == pytest.approx(float(values.double().square().sum()), rel=1e-12)
    for place in range(0, 37 * 53, 61):
        changed = values.clone()
        changed.view(-1).view(torch.uint8)[place * values.element_size()] ^= 1
        assert sums_of(changed)[0] != whole
    assert sums_of(torch.zeros(3, dtype=dtype))[0] != sums_of(torch.zeros(4, dtype=dtype))[0]
    assert sums_of(nn.Parameter(values[:0], requires_grad=False)) == (0, 0.0)
