"""Samples into shards: plain WebDataset tars, each with its index, and one manifest for the set.

A set appears whole or not at all: it is written in a folder of its own beside the target and moved
there when every shard, index and the manifest are complete.
"""

import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
    records: Iterable[Record], folder: Path, prefix: str, samples_per_shard: int
) -> list[dict[str, Any]]:
    """Write `prefix-000000.tar`, ... with their indexes; return each shard's name, count and hash."""
    writer: TarWriter | None = None
    shards: list[Path] = []
    for number, record in enumerate(records):
        if number % samples_per_shard == 0:
            if writer:
                writer.close()
            shards.append(folder / f"{prefix}-{len(shards):06d}.tar")
            # A fixed time and owner: the same records give the same bytes, so the same fingerprint.
            writer = TarWriter(str(shards[-1]), encoder=False, mtime=0, user="vlm", group="vlm")
        assert writer is not None
        content = json.dumps(record.content, ensure_ascii=False).encode()
        writer.write({"__key__": record.key, "json": content, **record.images})
    if writer:
        writer.close()
    described = []
    for shard in shards:
        index = write_index(shard)
        described.append({"name": shard.name, "count": len(index.keys), "sha256": index.sha256})
    return described


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
