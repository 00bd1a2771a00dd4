"""Records and their pictures into shards, with a manifest and a report of what was wrong."""

import hashlib
import io
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from PIL import Image

from vlm.corpus.part import WHOLE, Part, Shares
from vlm.corpus.write import Record, write_shards
from vlm.data.decode import why_broken
from vlm.data.index import MANIFEST, index_path
from vlm.data.record import check_record, image_paths
from vlm.data.sample import IMAGE_PLACEHOLDER
from vlm.run.folder import write_json

REPORT = "skipped.json"
PROGRESS = "progress.json"


@dataclass(frozen=True)
class Packing:
    """How records are packed.

    Args:
        images: Folder that the records' `image` paths start from.
        output: Folder to make.
        name: Prefix of the shards.
        licence: Of the pictures and texts, for the manifest.
        on_error: `raise` at the first record that is wrong, or `skip` and list it.
        samples_per_shard: At most.
        part: The share of the records that is packed here; the set is whole when all shares are.

    Raises:
        ValueError: A value is outside its range.
    """

    images: Path
    output: Path
    name: str = "samples"
    licence: str = "unknown"
    on_error: str = "raise"
    samples_per_shard: int = 1000
    part: Part = WHOLE

    def __post_init__(self) -> None:
        if self.on_error not in ("raise", "skip"):
            raise ValueError(f"on_error must be raise or skip, got {self.on_error}")
        if self.samples_per_shard < 1:
            raise ValueError(f"samples_per_shard must be at least 1, got {self.samples_per_shard}")

    @property
    def prefix(self) -> str:
        """Of this share's shards."""
        return self.name if self.part.is_whole else f"{self.name}-{self.part}"


@dataclass
class Packed:
    """What became of the records so far.

    Args:
        seen: Records of all shares that were passed.
        digest: Of these records.
        shards: Name, count and hash of each.
        skipped: Record, id and reason of each that was not packed.
    """

    seen: int = 0
    digest: str = ""
    shards: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[dict[str, str]] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Samples written."""
        return sum(shard["count"] for shard in self.shards)


def pack(records: Iterable[Any], packing: Packing) -> Packed:
    """Write shards, their indexes, `manifest.json` and, if something was skipped, `skipped.json`.

    A set appears whole or not at all; packing that was killed goes on where it was.

    Args:
        records: LLaVA's: `{id, image?, conversations}`; the same in the same order for every share.
        packing: How.

    Returns:
        What became of this share's records.

    Raises:
        ValueError: A record or picture is wrong and `on_error` is `raise`; or none is right; or the folder
            has something in it; or the records have changed since packing began.
    """
    output, shares = packing.output, Shares(packing.output, packing.part)
    if output.exists() and any(output.iterdir()) and (is_packed(output) or not shares.is_begun):
        raise ValueError(f"output={output} is not empty; choose another folder or delete it")
    if shares.found:
        packed = Packed(**shares.found)
    else:
        try:
            packed = _write(records, packing, shares.draft)
        except ValueError:
            shares.discard()
            raise
    _move(packed, shares.draft, output)
    with shares.gather(asdict(packed)) as parts:
        if parts is not None:
            _close(packing, [Packed(**part) for part in parts], shares.folder)
    return packed


def is_packed(output: Path) -> bool:
    """Whether a folder holds a whole set."""
    return (output / MANIFEST).is_file()


def _write(records: Iterable[Any], packing: Packing, draft: Path) -> Packed:
    """Write a share's shards to its draft, after those that an earlier, killed process left there."""
    draft.mkdir(parents=True, exist_ok=True)
    progress = draft / PROGRESS
    packed = Packed(**json.loads(progress.read_text())) if progress.is_file() else Packed()
    digest = hashlib.sha256()
    stream = _passed(records, digest)
    for _ in islice(stream, packed.seen):
        pass
    if packed.seen and digest.hexdigest() != packed.digest:
        raise ValueError(
            f"output={packing.output}: the records are not those that packing began with; what it had "
            "written is deleted, so that the same command packs them anew"
        )
    valid = _valid_records(stream, packing, packed)
    first = len(packed.shards)
    for shard in write_shards(valid, draft, packing.prefix, packing.samples_per_shard, first):
        packed.shards.append(shard)
        packed.digest = digest.hexdigest()
        write_json(progress, asdict(packed))
    packed.digest = digest.hexdigest()
    if packing.part.is_whole:
        _require_samples([packed])
    return packed


def _require_samples(parts: Iterable[Packed]) -> None:
    if not any(part.count for part in parts):
        raise ValueError("there is no record that can be packed; look into the files that the format reads")


def _passed(records: Iterable[Any], digest: "hashlib._Hash") -> Iterator[tuple[int, Any]]:
    """Number the records, and hash each as it passes."""
    for number, content in enumerate(records):
        digest.update(json.dumps(content).encode())
        yield number, content


def _move(packed: Packed, draft: Path, output: Path) -> None:
    """Move a share's shards into the set; those of a move that was killed are there already."""
    output.mkdir(parents=True, exist_ok=True)
    for shard in packed.shards:
        source, target = draft / shard["name"], output / shard["name"]
        if source.is_file():
            index_path(source).replace(index_path(target))
            source.replace(target)


def _close(packing: Packing, parts: list[Packed], folder: Path) -> None:
    """Write what describes the whole set."""
    if len({part.digest for part in parts}) > 1:
        raise ValueError(
            f"output={packing.output}: its shares were packed from different records; delete it and "
            f"{folder}, and pack all shares again"
        )
    _require_samples(parts)
    skipped = sorted((row for part in parts for row in part.skipped), key=lambda row: int(row["record"]))
    if skipped:
        write_json(packing.output / REPORT, skipped)
    manifest = {
        "name": packing.name,
        "licence": packing.licence,
        "count": sum(part.count for part in parts),
        "skipped": len(skipped),
        "shards": [shard for part in parts for shard in part.shards],
    }
    write_json(packing.output / MANIFEST, manifest)


def _valid_records(records: Iterable[tuple[int, Any]], packing: Packing, packed: Packed) -> Iterator[Record]:
    for number, content in records:
        packed.seen = number + 1
        if not packing.part.takes(number):
            continue
        try:
            yield read_record(number, content, packing.images)
        except (OSError, ValueError) as error:
            label = content.get("id", number) if isinstance(content, dict) else number
            if packing.on_error == "raise":
                raise ValueError(
                    f"record {number} (id {label}): {error}; mend it, or list it and go on: on_error=skip"
                ) from error
            packed.skipped.append({"record": str(number), "id": str(label), "reason": str(error)})


def read_record(number: int, content: Any, folder: Path) -> Record:
    """Check a record and read its pictures; LLaVA's ids repeat, so the key is its number and id."""
    check_record(content)
    paths = [folder / path for path in image_paths(content)]
    placeholders = sum(turn["value"].count(IMAGE_PLACEHOLDER) for turn in content["conversations"])
    if placeholders != len(paths):
        raise ValueError(f"{placeholders} {IMAGE_PLACEHOLDER} for {len(paths)} pictures")
    pictures = {}
    for place, path in enumerate(paths):
        encoded, extension = read_image(path)
        pictures[f"{place:03d}.{extension}" if len(paths) > 1 else extension] = encoded
    identifier = re.sub(r"[^A-Za-z0-9_-]", "_", str(content.get("id", "")))
    return Record(f"{number:08d}-{identifier}".rstrip("-"), content, pictures)


def read_image(path: Path) -> tuple[bytes, str]:
    """Return a picture's bytes and extension, decoded once to the last pixel so that a cut-off file is seen.

    Raises:
        ValueError: It is missing, or cannot be decoded.
    """
    if not path.is_file():
        raise ValueError(f"image {path} is missing")
    encoded = path.read_bytes()
    try:
        with Image.open(io.BytesIO(encoded)) as image:
            image.load()
            extension = str(image.format).lower()
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"image {path} cannot be decoded ({why_broken(error)})") from error
    return encoded, {"jpeg": "jpg"}.get(extension, extension)
