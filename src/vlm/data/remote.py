"""Shards that lie elsewhere: read through fsspec, and kept in a bounded folder while they are read."""

import errno
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

import fsspec
from filelock import FileLock
from fsspec import AbstractFileSystem

from vlm.data.index import Index, load_index, write_index

BLOCK = 2**20  # bytes read at once
FULL = "the disk of paths.cache is full; free some of it, or lower trainer.cache_gib"
ATTEMPTS = 5
FIRST_PAUSE = 0.5  # seconds; doubled after each failed attempt
Result = TypeVar("Result")


def is_remote(shard: str) -> bool:
    """Whether a shard is named by a protocol: `https://`, `s3://`, `hf://`, ..."""
    return "://" in shard


class ShardCache:
    """Copies of remote shards and of their indexes.

    Args:
        folder: Of the copies; it may be deleted when nothing runs.
        limit: Bytes of shards that it holds; the longest unread ones make room.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self.limit = folder, limit
        self._indexes: dict[str, Index] = {}

    def index(self, url: str) -> Index:
        """Return a shard's index: the one that lies beside it, or one made from a copy.

        Raises:
            ValueError: The shard cannot be read, or its index is of another.
        """
        known = self._place(url) / "index.json"
        size = insist(url, lambda files, path: files.info(path)["size"])
        if known.is_file() and (index := load_index(known)).size == size:
            return index
        known.parent.mkdir(parents=True, exist_ok=True)
        partial = known.with_suffix(f".{os.getpid()}")
        beside = url.removesuffix(".tar") + ".index.json"
        if insist(beside, lambda files, path: files.exists(path)):
            partial.write_bytes(insist(beside, lambda files, path: files.cat_file(path)))
            index = load_index(partial)
        else:
            index = write_index(self._fetch(url, size, None))
            partial.write_text(json.dumps(asdict(index)))
        if index.size != size:
            raise ValueError(f"{url} is not the file that its index describes; index it again where it lies")
        partial.replace(known)
        return index

    def path(self, url: str) -> Path:
        """Return a copy of a shard, as its index describes it.

        Raises:
            ValueError: The shard cannot be read, is another one, or does not fit.
        """
        index = self._indexes.get(url) or self._indexes.setdefault(url, self.index(url))
        copy = self._place(url) / "shard.tar"
        try:
            if copy.stat().st_size == index.size:
                os.utime(copy)
                return copy
        except FileNotFoundError:
            pass
        return self._fetch(url, index.size, index.sha256)

    def _fetch(self, url: str, size: int, sha256: str | None) -> Path:
        """Download a shard, unless another process has just done so."""
        copy = self._place(url) / "shard.tar"
        copy.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(copy.with_suffix(".lock")):
            if not (copy.is_file() and copy.stat().st_size == size):
                self._make_room(size)
                self._download(url, copy, size, sha256)
        return copy

    def _place(self, url: str) -> Path:
        return self.folder / hashlib.sha256(url.encode()).hexdigest()[:20]

    def _make_room(self, size: int) -> None:
        if size > self.limit:
            limit = f"trainer.cache_gib={self.limit / 2**30:g}"
            raise ValueError(f"a shard of {size / 2**30:.2g} GiB does not fit {limit}; raise it")
        copies = sorted((stat.st_mtime, stat.st_size, copy) for copy, stat in self._copies())
        used = sum(held for _, held, _ in copies)
        for _, held, copy in copies:
            if used + size <= self.limit:
                return
            copy.unlink(missing_ok=True)  # who has it open reads on, and fetches it again
            used -= held

    def _copies(self) -> Iterator[tuple[Path, os.stat_result]]:
        for copy in self.folder.glob("*/shard.tar"):
            with suppress(FileNotFoundError):  # somebody else made room
                yield copy, copy.stat()

    def _download(self, url: str, copy: Path, size: int, sha256: str | None) -> None:
        partial = copy.with_suffix(".partial")

        def fetch(files: AbstractFileSystem, path: str) -> None:
            with files.open(path, "rb") as source, partial.open("wb") as target:
                shutil.copyfileobj(source, target, BLOCK)
            if partial.stat().st_size != size:
                raise ConnectionError("the connection was cut")
            if sha256 and _hash(partial) != sha256:
                raise ConnectionError("its bytes are not those that its index describes")

        try:
            insist(url, fetch)
            partial.replace(copy)
        finally:
            partial.unlink(missing_ok=True)


def list_remote(pattern: str) -> list[str]:
    """Return the addresses of the tars that a glob matches, sorted.

    Raises:
        ValueError: The place cannot be read.
    """
    found = insist(pattern, lambda files, path: [files.unstrip_protocol(name) for name in files.glob(path)])
    return sorted(name for name in found if name.endswith(".tar"))


def insist(url: str, task: Callable[[AbstractFileSystem, str], Result]) -> Result:
    """Do something with a remote file, again and again if the connection fails.

    Raises:
        ValueError: It is not there, no library knows the protocol, or the last attempt failed too.
    """
    pause = FIRST_PAUSE
    for attempt in range(1, ATTEMPTS + 1):
        try:
            files, path = fsspec.core.url_to_fs(url)
            files.invalidate_cache()
            return task(files, path)
        except FileNotFoundError as error:
            raise ValueError(f"{url} is not there; look for it, or name other shards") from error
        except (ImportError, ValueError) as error:
            raise ValueError(f"{url} cannot be read: {error}") from error
        except Exception as error:  # each protocol has kinds of its own
            full = getattr(error, "errno", None) == errno.ENOSPC
            if full or attempt == ATTEMPTS:
                reason = FULL if full else f"{type(error).__name__} {error}".splitlines()[0]
                raise ValueError(f"{url} cannot be read, at attempt {attempt}: {reason}") from error
            time.sleep(pause)
            pause *= 2
    raise AssertionError("the last attempt returns or raises")


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
