"""Shards to samples: any sample of a source by its number, through the sidecar indexes."""

import json
from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vlm.data.locate import Shard
from vlm.data.record import read_turns
from vlm.data.sample import FaultySampleError, Sample, Turn


class ShardSource:
    """The samples of a source, by number.

    Args:
        name: Of the source in its mixture.
        shards: Indexed tars whose samples hold a `.json` and their pictures.
        without_text: Is cut from what the human says; empty cuts nothing.
    """

    def __init__(self, name: str, shards: Sequence[Shard], without_text: str = "") -> None:
        self.name, self.without_text = name, without_text
        self.shards = list(shards)
        self.indexes = [shard.index() for shard in self.shards]
        self.shard_sizes = [len(index.keys) for index in self.indexes]
        self.starts = np.concatenate([[0], np.cumsum(self.shard_sizes)])
        """Number of each shard's first sample, and of all samples."""

    def __len__(self) -> int:
        return int(self.starts[-1])

    def shard_of(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return which shard holds each sample."""
        return np.searchsorted(self.starts, numbers, side="right") - 1

    def shard(self, number: int) -> int:
        """Return which shard holds a sample."""
        return bisect_right(self.starts, number) - 1

    def read(self, number: int, extensions: Collection[str] | None = None) -> tuple[str, dict[str, bytes]]:
        """Return a sample's key and the bytes of its files by extension.

        Args:
            number: Of the sample.
            extensions: To be read; of all others the bytes are empty. None reads all.

        Raises:
            FaultySampleError: The shard has gone, or is cut off.
        """
        which = self.shard(number)
        within = number - int(self.starts[which])
        index = self.indexes[which]
        wanted = {
            extension: place if extensions is None or extension in extensions else (place[0], 0)
            for extension, place in index.members[within].items()
        }
        return index.keys[within], self._read(which, wanted)

    def _read(self, which: int, members: Mapping[str, Sequence[int]]) -> dict[str, bytes]:
        files = {}
        try:
            # Opened anew each time: worker processes must not share one file position.
            with self.shards[which].path().open("rb") as file:
                for extension, (start, length) in members.items():
                    file.seek(start)
                    files[extension] = file.read(length)
        except (OSError, ValueError) as error:
            raise FaultySampleError(f"{self.shards[which]} cannot be read ({error})", "shard") from error
        if any(len(files[extension]) < length for extension, (_, length) in members.items()):
            raise FaultySampleError(f"{self.shards[which]} is cut off; copy or pack it again", "shard")
        return files

    def __getitem__(self, number: int) -> Sample:
        """Return a sample.

        Raises:
            FaultySampleError: Its record is not one that `vlm data pack` writes.
        """
        return self.sample(number)

    def sample(self, number: int, with_images: bool = True) -> Sample:
        """Return a sample, perhaps without the bytes of its pictures.

        Raises:
            FaultySampleError: Its record is not one that `vlm data pack` writes.
        """
        key, files = self.read(number, None if with_images else {"json", "txt"})
        caption = files.pop("txt", None)
        try:
            turns = read_turns(json.loads(files.pop("json")), None if caption is None else caption.decode())
        except (KeyError, TypeError, ValueError) as error:
            message = f"{self.shards[self.shard(number)]}: sample {key} is no record ({error!r})"
            raise FaultySampleError(message) from error
        images = tuple(files[extension] for extension in sorted(files))
        if self.without_text:
            turns = tuple(self._cut(turn) if turn.speaker == "human" else turn for turn in turns)
        return Sample(key, turns, images, self.name)

    def _cut(self, turn: Turn) -> Turn:
        return replace(turn, text=turn.text.replace(self.without_text, ""))
