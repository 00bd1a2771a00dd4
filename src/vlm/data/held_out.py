"""Samples that are never learned from: the last of a source, as many as it holds out."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from vlm.data.batch import PackedBatch, pack
from vlm.data.document import DocumentReader
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
        mine = share(rows, rank, world_size)
        for row in [*mine, *[[]] * (-(-len(rows) // world_size) - len(mine))]:
            documents = []
            for place in row:
                try:
                    documents.append(reader[numbers[place]])
                except FaultySampleError:
                    continue
            transform = reader.image_transform
            yield pack(documents or [BLANK], transform.tokens_per_tile, transform.size)

    def samples(self, name: str, number: int) -> list[Sample]:
        """Return the first held-out samples of a source that can be read, at most so many."""
        found: list[Sample] = []
        for place in self._numbers(name):
            if len(found) == number:
                break
            try:
                found.append(self.readers[name].shards[place])
            except FaultySampleError:
                continue
        return found

    def _numbers(self, name: str) -> range:
        reader = self.readers[name]
        return range(len(reader), len(reader.shards))
