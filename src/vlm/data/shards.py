"""Shards to samples: any sample of a source by its number, through the sidecar indexes."""

import json
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

from vlm.data.index import read_index
from vlm.data.sample import Sample, Turn


class ShardSource:
    """The samples of a source, by number.

    Args:
        name: Of the source in its mixture.
        shards: Indexed tars whose samples hold a `.json` and their pictures.
    """

    def __init__(self, name: str, shards: Sequence[Path]) -> None:
        self.name = name
        self.shards = list(shards)
        self.indexes = [read_index(shard) for shard in self.shards]
        self.shard_sizes = [len(index.keys) for index in self.indexes]
        self._starts = [0, *accumulate(self.shard_sizes)]

    def __len__(self) -> int:
        return self._starts[-1]

    def read(self, number: int) -> tuple[str, dict[str, bytes]]:
        """Return a sample's key and the bytes of its files by extension."""
        which = bisect_right(self._starts, number) - 1
        within = number - self._starts[which]
        index = self.indexes[which]
        # Opened anew each time: worker processes must not share one file position.
        with self.shards[which].open("rb") as file:
            files = {}
            for extension, (start, length) in index.members[within].items():
                file.seek(start)
                files[extension] = file.read(length)
        return index.keys[within], files

    def __getitem__(self, number: int) -> Sample:
        """Return a sample.

        Raises:
            ValueError: Its record is not one that `vlm data pack` writes.
        """
        key, files = self.read(number)
        try:
            record = json.loads(files.pop("json"))
            turns = tuple(Turn(turn["from"], turn["value"]) for turn in record["conversations"])
        except (KeyError, TypeError, ValueError) as error:
            which = self.shards[bisect_right(self._starts, number) - 1]
            raise ValueError(f"{which}: sample {key} is not a LLaVA record ({error!r})") from error
        images = tuple(files[extension] for extension in sorted(files))
        return Sample(key, turns, images, self.name)
