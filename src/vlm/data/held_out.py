"""Samples that are never learned from: the last of a source, as many as it holds out."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path

import numpy as np

from vlm.data.batch import PackedBatch, pack
from vlm.data.document import Document, DocumentReader
from vlm.data.measure import Measures
from vlm.data.packing import best_fit, share
from vlm.data.sample import FaultySampleError, Sample
from vlm.data.steps import BLANK


class HeldOut:
    """The held-out samples of sources.

    Args:
        readers: Of the sources that hold some out, by name.
        token_budget: Tokens of a row.
        cache: Folder that keeps measures.
    """

    def __init__(self, readers: Mapping[str, DocumentReader], token_budget: int, cache: Path) -> None:
        self.readers, self.token_budget = dict(readers), token_budget
        self.measures = {name: Measures(reader, cache) for name, reader in readers.items()}

    def rows(self, name: str, rank: int, world_size: int) -> Iterator[PackedBatch]:
        """Yield one device's rows of a source; every device has as many, and faulty samples are left out."""
        reader = self.readers[name]
        numbers = self._numbers(name)
        measures = self.measures[name][np.array(numbers, dtype=np.int64)]
        rows = best_fit(measures["tokens"].tolist(), self.token_budget)
        transform = reader.image_transform
        for row in share(rows, rank, world_size):
            documents = [document for place in row if (document := self._document(name, numbers[place]))]
            yield pack(documents or [BLANK], transform.tokens_per_tile, transform.size)

    def samples(self, name: str, number: int) -> list[Sample]:
        """Return the first sound held-out samples of a source, at most so many."""
        sound = (place for place in self._numbers(name) if self._document(name, place))
        return [self.readers[name].shards[place] for place in islice(sound, number)]

    def _document(self, name: str, number: int) -> Document | None:
        with suppress(FaultySampleError):
            return self.readers[name][number]
        return None

    def _numbers(self, name: str) -> range:
        reader = self.readers[name]
        return range(len(reader), len(reader.shards))
