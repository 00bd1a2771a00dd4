"""Samples into shards: plain WebDataset tars, each with its index, and one manifest for the set.

A set appears whole or not at all: it is written in a folder of its own beside the target and moved
there when every shard, index and the manifest are complete.
"""

import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import chain, count, islice
from pathlib import Path
from typing import Any

from webdataset import TarWriter

from vlm.data.index import write_index


@dataclass(frozen=True)
class Record:
    """What becomes one sample of a shard.

    Args:
        key: Unique in the set, without a dot or slash.
        content: The LLaVA record.
        images: Encoded files by extension, in the order of their placeholders.
    """

    key: str
    content: dict[str, Any]
    images: dict[str, bytes]


def write_shards(
    records: Iterable[Record], folder: Path, prefix: str, samples_per_shard: int, first: int = 0
) -> Iterator[dict[str, Any]]:
    """Write `prefix-000000.tar`, ..., each with its index; yield each one's name, count and hash.

    When a shard is yielded it is whole, and no record of the next has been asked for.

    Args:
        records: In order.
        folder: To write in.
        prefix: Of the shards' names.
        samples_per_shard: At most.
        first: Number of the first shard.
    """
    remaining = iter(records)
    for number in count(first):
        head = next(remaining, None)
        if head is None:
            return
        shard = folder / f"{prefix}-{number:06d}.tar"
        # A fixed time and owner: the same records give the same bytes, so the same fingerprint.
        with closing(TarWriter(str(shard), encoder=False, mtime=0, user="vlm", group="vlm")) as writer:
            for record in chain([head], islice(remaining, samples_per_shard - 1)):
                content = json.dumps(record.content, ensure_ascii=False).encode()
                writer.write({"__key__": record.key, "json": content, **record.images})
        index = write_index(shard)
        yield {"name": shard.name, "count": len(index.keys), "sha256": index.sha256}


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Give a folder to write in that becomes `target` when the block succeeds, and vanishes when not.

    Raises:
        ValueError: The target is there already.
    """
    if target.exists() and any(target.iterdir()):
        raise ValueError(f"output={target} is not empty; choose another folder or delete it")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        yield partial
        partial.chmod(0o755)
        if target.exists():
            target.rmdir()
        partial.replace(target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
