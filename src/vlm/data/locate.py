"""Where shards are: paths, globs, ranges in braces, and addresses of other machines."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path

from braceexpand import braceexpand

from vlm.data.index import Index, read_index
from vlm.data.remote import ShardCache, is_remote, list_remote


class Shard(ABC):
    """A tar of samples, and its index."""

    @abstractmethod
    def index(self) -> Index:
        """Return what it holds.

        Raises:
            ValueError: It is not there or has no index that describes it.
        """

    @abstractmethod
    def path(self) -> Path:
        """Return a file to read now; another call may return another.

        Raises:
            ValueError: It cannot be had.
        """


@dataclass(frozen=True)
class LocalShard(Shard):
    """A file."""

    file: Path

    def index(self) -> Index:
        """Return the index beside it."""
        return read_index(self.file)

    def path(self) -> Path:
        """Return the file."""
        return self.file

    def __str__(self) -> str:
        return str(self.file)


@dataclass(frozen=True)
class RemoteShard(Shard):
    """A file that is read by a protocol."""

    url: str
    cache: ShardCache

    def index(self) -> Index:
        """Return the index beside it, or one made from a copy."""
        return self.cache.index(self.url)

    def path(self) -> Path:
        """Return a copy."""
        return self.cache.path(self.url)

    def __str__(self) -> str:
        return self.url


def find_shards(name: str, shards: str | Iterable[str], cache: ShardCache | None = None) -> list[Shard]:
    """Return the shards that patterns name, in the patterns' order, sorted within each glob.

    Args:
        name: Config key, for messages.
        shards: Paths or addresses, perhaps with globs, or with ranges: `train-{000000..000127}.tar`.
        cache: Keeps copies of remote shards; None allows none.

    Raises:
        ValueError: A pattern matches nothing, or is remote and must not be.
    """
    found: list[Shard] = []
    for pattern in [shards] if isinstance(shards, str) else shards:
        matches = list(_expand(name, pattern, cache))
        if not matches:
            raise ValueError(
                f"{name}={pattern} matches no .tar file; give shards, or make them: vlm data pack"
            )
        found += matches
    return found


def _expand(name: str, pattern: str, cache: ShardCache | None) -> Iterator[Shard]:
    try:
        places = list(braceexpand(pattern))
    except ValueError as error:
        raise ValueError(f"{name}={pattern}: {error}; close its braces") from error
    for place in places:
        if not is_remote(place):
            yield from (LocalShard(Path(path)) for path in sorted(glob(place)) if path.endswith(".tar"))
        elif cache is None:
            raise ValueError(f"{name}={place} must lie on this machine; copy it here")
        else:
            urls = list_remote(place) if has_magic(place) else [place]
            yield from (RemoteShard(url, cache) for url in urls)


def content_hash(shards: Iterable[Shard]) -> str:
    """Return the fingerprint of a data set: of its shards' hashes, whatever their names and folders."""
    hashes = [shard.index().sha256 for shard in shards]
    return hashlib.sha256("".join(hashes).encode()).hexdigest()
