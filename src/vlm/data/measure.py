"""How long a source's samples are, in tokens, and what is wrong with them; measured once for each shard."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from vlm.data.document import DocumentReader, expand_images
from vlm.data.image import Room
from vlm.data.sample import FaultySampleError, Sample
from vlm.data.tokens import IGNORE_ID, Tokens

VERSION = 2
"""Raise this when a change of the code changes a measure."""

MEASURE = np.dtype(
    [
        ("tokens", "<i4"), ("learned", "<i4"), ("lost", "<i4"), ("words", "<i4"), ("visual", "<i4"),
        ("tiles", "<i2"), ("fault", "<i1"), ("mismatched", "<i1"),
    ]
)  # fmt: skip
"""Of one sample: tokens, cut to the context; how many of them are learned, and how many more were cut off;
words of its turns; visual tokens and tiles of its pictures; which of `FaultySampleError.KINDS`, counted from
1, or 0; and whether the learned tokens spell anything but what the template says is to be learned."""


class Measures:
    """The measures of a source's samples, read from a cache or made, shard by shard.

    A broken picture is no fault here: pictures are not decoded.

    Args:
        reader: Of the source.
        cache: Folder that keeps them; it may be deleted.
    """

    def __init__(self, reader: DocumentReader, cache: Path) -> None:
        self.reader = reader
        self._folder = cache / _identity(reader)
        self._known: dict[int, NDArray[Any]] = {}

    def __getitem__(self, numbers: NDArray[np.int64]) -> NDArray[Any]:
        """Return the measures of samples by their numbers."""
        shards = self.reader.shards
        which = shards.shard_of(numbers)
        found = np.empty(len(numbers), MEASURE)
        for shard in np.unique(which):
            here = which == shard
            found[here] = self._shard(int(shard))[numbers[here] - shards.starts[shard]]
        return found

    def _shard(self, shard: int) -> NDArray[Any]:
        if shard not in self._known:
            path = self._folder / f"{self.reader.shards.indexes[shard].sha256}.npy"
            self._known[shard] = np.load(path) if path.is_file() else self._measure(shard, path)
        return self._known[shard]

    def _measure(self, shard: int, path: Path) -> NDArray[Any]:
        first, stop = self.reader.shards.starts[shard : shard + 2]
        rows = np.array([self._one(number) for number in range(first, stop)], MEASURE)
        if (rows["fault"] == 1 + FaultySampleError.KINDS.index("shard")).any():
            return rows  # it may be whole again tomorrow
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.partial")
        with partial.open("wb") as file:
            np.save(file, rows)
        partial.replace(path)
        return rows

    def _one(self, number: int) -> tuple[int, ...]:
        reader, transform = self.reader, self.reader.image_transform
        words = visual = tiles = length = 0
        try:
            sample = reader.shards.sample(number, with_images=transform.reads_sizes)
            words = sum(len(turn.text.split()) for turn in sample.turns)
            rooms = [self._room(sample, image) for image in sample.images]
            visual, tiles = sum(room.tokens for room in rooms), sum(room.tiles for room in rooms)
            tokens = reader.tokens(sample)
            ids, labels = expand_images(tokens, [room.tokens for room in rooms])
            length = min(len(ids), reader.context_length)
            _, kept = reader.cut(sample, ids, labels)
        except FaultySampleError as error:
            return length, 0, 0, words, visual, tiles, 1 + FaultySampleError.KINDS.index(error.kind), 0
        learned, learnable = (int((some != IGNORE_ID).sum()) for some in (kept, labels))
        lost = learnable - learned
        return length, learned, lost, words, visual, tiles, 0, int(not self._spells(sample, tokens))

    def _spells(self, sample: Sample, tokens: Tokens) -> bool:
        """Whether the learned tokens spell the supervised text, spaces aside."""
        try:
            spans = self.reader.template.render(sample.turns)
        except ValueError:  # LLaVA's own way drops an answer that nobody asked for, which cannot be rendered
            return True
        wanted = "".join(span.text for span in spans if span.supervised)
        learned = self.reader.tokenizer.decode([label for label in tokens.labels if label != IGNORE_ID])
        first, second = ("".join(normalize("NFC", text).split()) for text in (wanted, learned))
        return first == second

    def _room(self, sample: Sample, image: bytes) -> Room:
        try:
            return self.reader.image_transform.room(image)
        except OSError as error:
            raise FaultySampleError(f"{self.reader.name(sample)}: {error}", "picture") from error


def _identity(reader: DocumentReader) -> str:
    """Return a hash of everything that can change a measure, but for the shard."""
    tokenizer = reader.tokenizer
    said = {
        "version": [VERSION, MEASURE.descr],
        "template": [type(reader.template).__name__, vars(reader.template)],
        "tokenizer": hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode()).hexdigest(),
        "padding": [tokenizer.pad_token_id, tokenizer.model_max_length],
        "image": reader.image_transform.measured_by,
        "context_length": reader.context_length,
        "without_text": reader.shards.without_text,
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]
