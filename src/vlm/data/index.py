"""The sidecar index of a shard: where each sample's members lie, and the hash of the whole.

With it a sample is one seek away, an epoch's order needs no reading, and a data set has a fingerprint.
It is written when shards are packed, or by `vlm data index` for somebody else's tars.
"""

import hashlib
import json
import tarfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

MANIFEST = "manifest.json"
"""Beside the shards of a set: counts, hashes, licence. A set that has it is whole."""


@dataclass(frozen=True)
class Index:
    """What a shard holds.

    Args:
        size: Of the tar, in bytes.
        sha256: Of the tar.
        keys: One for each sample.
        members: For each sample, its files by extension: (first byte, length).
    """

    size: int
    sha256: str
    keys: list[str]
    members: list[dict[str, Sequence[int]]]


def index_path(shard: Path) -> Path:
    """Return where the shard's index lies."""
    return shard.with_suffix(".index.json")


def write_index(shard: Path) -> Index:
    """Read the tar once and write its index beside it.

    Raises:
        ValueError: The file is not a whole tar, or holds no sample.
    """
    samples: dict[str, dict[str, Sequence[int]]] = {}
    try:
        with tarfile.open(shard, "r:") as tar:
            for member in tar:
                key, _, extension = member.name.partition(".")
                if member.isfile():
                    samples.setdefault(key, {})[extension] = [member.offset_data, member.size]
                    last_byte = member.offset_data + member.size
    except tarfile.TarError as error:
        raise ValueError(f"{shard} is not a tar ({error}); pack it again with 'vlm data pack'") from error
    size = shard.stat().st_size
    if not samples:
        raise ValueError(f"{shard} holds no sample; pack it again with 'vlm data pack'")
    if last_byte > size:
        raise ValueError(f"{shard} is cut off at byte {size}; copy or pack it again")
    with shard.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    index = Index(size, sha256, list(samples), list(samples.values()))
    temporary = index_path(shard).with_suffix(".partial")
    temporary.write_text(json.dumps(asdict(index)))
    temporary.replace(index_path(shard))
    return index


def load_index(path: Path) -> Index:
    """Read an index's own file.

    Raises:
        ValueError: It is none.
    """
    try:
        return Index(**json.loads(path.read_text()))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} is no index ({error}); delete it and run: vlm data index") from error


def read_index(shard: Path) -> Index:
    """Read the shard's index, which must be of the shard as it is now.

    Raises:
        ValueError: No index, or the tar has changed since.
    """
    path = index_path(shard)
    remedy = f"run: vlm data index shards='{shard}'"
    if not path.exists():
        raise ValueError(f"{shard} has no index; {remedy}")
    index = load_index(path)
    if shard.stat().st_size != index.size:
        raise ValueError(f"{shard} is not the file that its index describes; {remedy}")
    return index
