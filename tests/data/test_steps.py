"""Steps are a pure function of their number: whoever asks, in whatever order, on however many devices."""

import hashlib
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from tests.conftest import Compose
from vlm.build import build_model
from vlm.build_data import build_dataset, draw_counts
from vlm.cli import main
from vlm.compose import compose_sentence
from vlm.corpus.mix665k import COUNTS, TOTAL
from vlm.data.batch import PackedBatch
from vlm.data.document import DocumentReader
from vlm.data.packing import share
from vlm.data.sample import Turn
from vlm.data.steps import Step, StepDataset
from vlm.data.tokens import IGNORE_ID

MODES = [
    ["stage.batching.mode=packed"],
    ["stage.batching.window=3", "trainer.tokens_per_row=150"],
    ["stage.batching.mode=padded"],
    ["stage.batching.mode=grouped", "trainer.samples_per_row=2"],
]


@pytest.fixture
def dataset(compose: Compose) -> StepDataset:
    return make(compose)


def make(compose: Compose, *words: str) -> StepDataset:
    config = compose(*words)
    return build_dataset(config, build_model(config))


def tensors(row: PackedBatch) -> list[torch.Tensor]:
    values = [getattr(row, field.name) for field in fields(PackedBatch)]
    return [value for value in values if isinstance(value, torch.Tensor)]


def digest(step: Step) -> list[str]:
    """A hash of each row's content."""
    return [
        hashlib.sha256(b"".join(t.numpy().tobytes() for t in tensors(row))).hexdigest()
        for row in step.rows
        if row.supervised_weight  # the others only pass through the model
    ]


@pytest.mark.parametrize("mode", MODES, ids=" ".join)
def test_a_step_is_the_same_in_any_order_and_process(mode: list[str], compose: Compose) -> None:
    dataset = make(compose, *mode, "trainer.max_steps=6")
    forwards = [digest(dataset[step]) for step in range(6)]
    backwards = [digest(make(compose, *mode, "trainer.max_steps=6")[step]) for step in reversed(range(6))]
    loader = DataLoader(dataset, batch_size=None, sampler=range(6), num_workers=2)
    assert forwards == backwards[::-1] == [digest(step) for step in loader]
    assert len({row for step in forwards for row in step}) == sum(map(len, forwards))


@pytest.mark.parametrize("mode", MODES, ids=" ".join)
def test_what_remains_does_not_depend_on_devices_and_workers(mode: list[str], compose: Compose) -> None:
    """As a run that was killed at step 3 on one device goes on, on two devices with three workers."""
    whole = make(compose, *mode, "trainer.max_steps=6")
    uninterrupted = [digest(whole[step]) for step in range(6)]
    shares = []
    for rank in range(2):
        dataset = make(compose, *mode, "trainer.max_steps=6")
        dataset.rank, dataset.world_size = rank, 2
        loader = DataLoader(dataset, batch_size=None, sampler=range(3, 6), num_workers=3)
        shares.append([digest(step) for step in loader])
    for step, (first, second) in enumerate(zip(*shares, strict=True), start=3):
        assert sorted(first + second) == sorted(uninterrupted[step])
        assert [[row] for row in first] == share([[row] for row in uninterrupted[step]], 0, 2)


@pytest.mark.parametrize("mode", MODES, ids=" ".join)
def test_an_epoch_reads_every_sample_once(mode: list[str], compose: Compose) -> None:
    dataset = make(compose, *mode, "stage.steps=null", "trainer.max_steps=null")
    keys = [key for step in range(dataset.num_steps) for row in dataset[step].rows for key in row.keys]
    assert len(set(keys)) == len(keys) == dataset.epoch_size


def test_rows_keep_to_the_budget_and_documents_stay_whole(compose: Compose) -> None:
    dataset = make(compose, "stage.batching.window=4", "trainer.tokens_per_row=150", "stage.batch_size=8")
    for step in range(4):
        rows = dataset[step].rows
        assert rows
        assert all(len(row.ids) <= 150 for row in rows)
        measures = dataset.measure([place for row in dataset.rows(step) for place in row])
        lengths = [int(stop - start) for row in rows for start, stop in pairwise(row.edges.boundaries)]
        assert lengths == measures["tokens"].tolist()
        assert sum(row.num_supervised for row in rows) == measures["learned"].sum()


def test_a_step_that_fits_one_row_keeps_its_order(dataset: StepDataset) -> None:
    assert dataset.rows(1) == [[4, 5, 6, 7]]


def test_grouped_steps_are_padded_to_their_rows_longest(compose: Compose) -> None:
    dataset = make(compose, "stage.batching.mode=grouped", "trainer.samples_per_row=2")
    for row in dataset[0].rows:
        assert len({int(stop - start) for start, stop in pairwise(row.edges.boundaries)}) == 1
        assert len(row.edges.boundaries) == 3


def test_measures_are_kept_and_true(compose: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = make(compose, "image@stage.image=anyres")
    first = dataset.measure(range(8))
    documents = [dataset.readers[source][number] for source, number in dataset.drawn(range(8)).tolist()]
    assert first["tokens"].tolist() == [len(document.ids) for document in documents]
    learned = [(document.labels != IGNORE_ID).sum() for document in documents]
    assert first["learned"].tolist() == learned
    assert first["tiles"].tolist() == [sum(len(p.tiles) for p in document.pictures) for document in documents]
    monkeypatch.setattr(DocumentReader, "tokens", None)  # nothing is tokenized again
    again = make(compose, "image@stage.image=anyres")
    assert np.array_equal(again.measure(range(8)), first)


def test_placeholders_must_match_pictures(dataset: StepDataset) -> None:
    reader = dataset.readers[0]
    broken = replace(reader.shards[0], turns=(Turn("human", "no picture here"), Turn("gpt", "x")))
    with pytest.raises(ValueError, match=f"{broken.key}: 0 <image> for 1 pictures"):
        reader.tokens(broken)


def test_a_broken_picture_is_named_or_skipped_and_counted(
    compose: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, skipping = make(compose), make(compose, "trainer.on_error=skip")
    [[source, number]] = dataset.drawn([1])
    shards = type(dataset.readers[0].shards)
    read = shards.sample
    victim = dataset.readers[source].shards[int(number)].key

    def broken(self: object, number: int, with_images: bool = True) -> object:
        sample = read(self, number, with_images)
        return replace(sample, images=(b"no picture",)) if sample.key == victim else sample

    monkeypatch.setattr(shards, "sample", broken)
    with pytest.raises(ValueError, match=f"{victim}: its picture cannot be decoded"):
        dataset[0]
    step = skipping[0]
    assert step.num_skipped == 1
    assert [key for row in step.rows for key in row.keys].count(f"{victim}") == 0
    assert sum(len(row.keys) for row in step.rows) == 3


@pytest.mark.parametrize("num_workers", [0, 1])
def test_what_a_worker_finds_wrong_is_one_line(
    num_workers: int,
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def broken(self: DocumentReader, sample: object) -> None:
        raise ValueError("caption/7: its picture cannot be decoded")

    monkeypatch.setattr(DocumentReader, "_pictures", broken)
    assert main(["train", *words, "stage=align_shapes", f"trainer.num_workers={num_workers}"]) != 0
    printed = capsys.readouterr().err.strip().splitlines()
    assert printed[-1] == "vlm: error: caption/7: its picture cannot be decoded"


def test_a_mixture_of_nothing_is_an_error(compose: Compose, data_folder: Path) -> None:
    with pytest.raises(ValueError, match="mixture holds no sample"):
        make(compose, "stage=align_shapes", "stage.after=null", "mixture.caption.weight=0.0001")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["stage.batching.mode=padded", "trainer.samples_per_row=3"], "samples_per_row=3 must divide"),
        (["trainer.on_error=ignore"], "trainer.on_error must be raise or skip, got ignore"),
        (["stage.steps=null", "stage.epochs=0.0001"], "stage.epochs must give at least 1 of"),
    ],
)
def test_impossible_steps_are_named(more: list[str], message: str, compose: Compose) -> None:
    with pytest.raises(ValueError, match=message):
        make(compose, *more)


def test_a_source_is_drawn_by_weight_by_count_or_evened_out(compose: Compose) -> None:
    sizes = {"attribute": 1000, "count": 10, "relation": 10, "exist": 10, "ocr": 10, "conversation": 10}
    plain = draw_counts(compose("mixture.count.weight=0.3", "mixture.ocr.samples=77"), sizes)
    assert plain == sizes | {"count": 3, "ocr": 77}
    even = draw_counts(compose("stage.temperature=1e6"), sizes)
    assert set(even.values()) == {175}
    halfway = draw_counts(compose("stage.temperature=2"), sizes)
    assert halfway["attribute"] / halfway["count"] == pytest.approx(10, rel=0.05)


def test_a_source_may_have_its_own_template_and_image_rule(compose: Compose) -> None:
    dataset = make(compose, "+template@mixture.ocr.template=v1", "+image@mixture.count.image=crop")
    own = {reader.shards.name: reader for reader in dataset.readers}
    assert own["ocr"].template.system.startswith("A chat between a curious user")
    assert own["count"].template.system == ""
    modes = {name: reader.image_transform.mode for name, reader in own.items()}
    assert (modes["count"], modes["ocr"]) == ("crop", "pad")


def test_a_source_that_is_not_whole_is_named(compose: Compose) -> None:
    with pytest.raises(ValueError, match=r"mixture.ocr.count=7, but its shards hold \d+ samples; find out"):
        make(compose, "mixture.ocr.count=7")


def test_llavas_mixture_has_its_ten_sources_and_counts() -> None:
    words = ["mixture=llava665k", "mixture.ocrvqa.weight=0.3", "~mixture.vg"]
    mixture = compose_sentence(words).config.mixture
    assert [mixture[name].weight for name in ("ocrvqa", "gqa")] == [0.3, 1.0]
    assert "vg" not in mixture
    whole = compose_sentence(words[:1]).config.mixture
    assert {name: source.count for name, source in whole.items()} == COUNTS
    assert sum(source.count for source in whole.values()) == TOTAL == 665_298
