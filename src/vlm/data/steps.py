"""Steps: a step's number -> its rows, a pure function, so any step can come first, on any device."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from vlm.data.batch import PackedBatch, pack
from vlm.data.document import Document, DocumentReader
from vlm.data.measure import MEASURE, Measures
from vlm.data.order import SourceSize, epoch_order
from vlm.data.packing import Numbers, best_fit, deal, group_by_modality_and_length, share
from vlm.data.sample import FaultySampleError
from vlm.data.tokens import IGNORE_ID


@dataclass(frozen=True)
class Batching:
    """How a step's samples are laid into rows.

    Args:
        mode: `packed` fills rows with whole documents; `padded` gives a row `row_size` samples, all as long
            as its longest; `grouped` does so with samples of one modality and about one length.
        batch_size: Samples of a step, over all devices; where `window` is above 1, on average.
        window: Steps whose samples are packed together.
        token_budget: Tokens of a packed row.
        row_size: Samples of a row that is not packed; divides `batch_size`.

    Raises:
        ValueError: No such mode, or rows that do not divide a step.
    """

    mode: str
    batch_size: int
    window: int
    token_budget: int
    row_size: int

    def __post_init__(self) -> None:
        if self.mode not in StepDataset.ROWS:
            raise ValueError(
                f"stage.batching.mode must be one of {', '.join(StepDataset.ROWS)}, got {self.mode}"
            )
        if self.mode != "packed" and self.batch_size % self.row_size:
            raise ValueError(
                f"trainer.samples_per_row={self.row_size} must divide stage.batch_size={self.batch_size}"
            )


@dataclass
class Step:
    """What one device reads of a step.

    Args:
        rows: One forward and backward pass each; on all devices as many.
        num_skipped: Faulty samples that were left out of them.
    """

    rows: list[PackedBatch]
    num_skipped: int = 0

    def pin_memory(self) -> "Step":
        """Return it in memory that a GPU copies from while it computes; DataLoader asks for it."""
        return Step([row.pin_memory() for row in self.rows], self.num_skipped)


BLANK = Document("/", np.array([0, 0]), np.array([IGNORE_ID, 0]), [], loss_weight=0.0)
"""Passes through the model and counts for nothing."""


class StepDataset(Dataset[Step]):
    """The steps of a stage.

    Args:
        readers: Of the sources, by name.
        num_drawn: Samples of each source that an epoch reads.
        batching: How a step's samples are laid into rows.
        num_samples: Of the whole stage; the last step may be smaller.
        seed: Of the order.
        cache: Folder that keeps measures.
        on_error: `raise` at a faulty sample, or `skip` it.

    Attributes:
        names: Of the sources.
        num_steps: Of the whole stage.
        rank: Of this device; it takes every `world_size`-th row, more or less (`share`).
        world_size: Devices.
        row_size: Tokens that each row has at least, for kernels that are compiled for one size; 0 is as many
            as its documents have.
    """

    def __init__(
        self,
        readers: Mapping[str, DocumentReader],
        num_drawn: Mapping[str, int],
        batching: Batching,
        num_samples: int,
        seed: int,
        cache: Path,
        on_error: str,
    ) -> None:
        self.readers, self.names = list(readers.values()), list(readers)
        self.sizes = [SourceSize(reader.shard_sizes, num_drawn[name]) for name, reader in readers.items()]
        self.epoch_size = sum(size.num_drawn for size in self.sizes)
        if not self.epoch_size:
            raise ValueError("mixture holds no sample; raise a source's weight or give it shards")
        if num_samples < 1:
            raise ValueError(f"stage.epochs must give at least 1 of {self.epoch_size} samples; raise it")
        if on_error not in ("raise", "skip"):
            raise ValueError(f"trainer.on_error must be raise or skip, got {on_error}")
        self.batching, self.num_samples, self.seed, self.on_error = batching, num_samples, seed, on_error
        self.measures = [Measures(reader, cache) for reader in self.readers]
        self.num_steps = -(-num_samples // batching.batch_size)
        self.rank, self.world_size = 0, 1
        self.row_size = 0
        self._epoch = lru_cache(maxsize=2)(self._order)
        self._windows = lru_cache(maxsize=2)(self._pack_window)

    def __getitem__(self, step: int) -> Step:
        made = Step([])
        for places in share(self.rows(step), self.rank, self.world_size):
            documents = [document for place in places if (document := self._document(place, made))]
            made.rows.append(self._lay(documents or [BLANK]))
        return made

    def rows(self, step: int) -> list[list[int]]:
        """Return the places, in the stage's order, of each row's samples."""
        return self.ROWS[self.batching.mode](self, step)

    def drawn(self, places: Sequence[int]) -> Numbers:
        """Return the samples at places of the endless sequence of epochs: rows of (source, number)."""
        epochs, within = np.divmod(np.asarray(places, dtype=np.int64), self.epoch_size)
        return np.array([self._epoch(int(e))[w] for e, w in zip(epochs, within, strict=True)]).reshape(-1, 2)

    def measure(self, places: Sequence[int]) -> NDArray[Any]:
        """Return the measures of the samples at places."""
        return self._measure(self.drawn(places))

    def _measure(self, drawn: Numbers) -> NDArray[Any]:
        found = np.empty(len(drawn), MEASURE)
        for source in np.unique(drawn[:, 0]):
            here = drawn[:, 0] == source
            found[here] = self.measures[source][drawn[here, 1]]
        return found

    def _order(self, epoch: int) -> Numbers:
        order = epoch_order(self.sizes, self.seed, epoch)
        if self.batching.mode != "grouped":
            return order
        found = self._measure(order)
        size, row = self.batching.batch_size, self.batching.row_size
        seed = [self.seed, epoch]
        words = found["words"].astype(np.int64)
        return order[group_by_modality_and_length(words, found["tiles"] > 0, size, row, seed)]

    def _places(self, first_step: int, stop: int) -> range:
        size = self.batching.batch_size
        return range(first_step * size, min(stop * size, self.num_samples))

    def _packed(self, step: int) -> list[list[int]]:
        window = self.batching.window
        return self._windows(step // window)[step % window]

    def _pack_window(self, window: int) -> list[list[list[int]]]:
        """Pack steps together, if that leaves each of them a row; else each by itself."""
        first = window * self.batching.window
        stop = min(first + self.batching.window, self.num_steps)
        together = self._best_fit(first, stop)
        if together:
            return together
        return [self._best_fit(step, step + 1)[0] for step in range(first, stop)]

    def _best_fit(self, first: int, stop: int) -> list[list[list[int]]]:
        """Return the rows of each step; nothing, if there are fewer rows than steps."""
        places = self._places(first, stop)
        measures = self.measure(places)
        rows = best_fit(measures["tokens"].tolist(), self.batching.token_budget)
        if len(rows) < stop - first:
            return []
        tiles = dict(enumerate(measures["tiles"].tolist()))
        return [
            [[places[number] for number in row] for row in step] for step in deal(rows, tiles, stop - first)
        ]

    def _consecutive(self, step: int) -> list[list[int]]:
        places, size = list(self._places(step, step + 1)), self.batching.row_size
        return [places[start : start + size] for start in range(0, len(places), size)]

    def _document(self, place: int, made: Step) -> Document | None:
        [[source, number]] = self.drawn([place])
        try:
            return self.readers[source][int(number)]
        except FaultySampleError:
            if self.on_error == "raise":
                raise
            made.num_skipped += 1
            return None

    def _lay(self, documents: Sequence[Document]) -> PackedBatch:
        reader = self.readers[0]  # tiles are alike for all: one encoder and projector read them
        transform = reader.image_transform
        pad = None if self.batching.mode == "packed" else reader.tokenizer.pad_token_id
        return pack(documents, transform.tokens_per_tile, transform.size, pad, self.row_size)

    ROWS: Mapping[str, Callable[["StepDataset", int], list[list[int]]]] = {
        "packed": _packed,
        "padded": _consecutive,
        "grouped": _consecutive,
    }
