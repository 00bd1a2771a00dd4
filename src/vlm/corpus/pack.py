"""Records and their pictures into shards, with a manifest and a report of what was wrong."""

import io
import json
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from filelock import FileLock
from PIL import Image

from vlm.corpus.part import WHOLE, Part
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

    @property
    def draft(self) -> Path:
        """Where a share is written until it is whole; what a kill leaves there is gone on with."""
        return self.output.parent / f".{self.output.name}-{self.part}"


@dataclass
class Packed:
    """What became of the records so far.

    Args:
        seen: Records of all shares that were passed.
        shards: Name, count and hash of each.
        skipped: Record, id and reason of each that was not packed.
    """

    seen: int = 0
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
        records: LLaVA's: `{id, image?, conversations}`; the same in the same order when it goes on.
        packing: How.

    Raises:
        ValueError: A record or picture is wrong and `on_error` is `raise`; or none is right; or the folder
            has something in it.
    """
    _check_output(packing)
    packed = _known(packing)
    try:
        for shard in _write(records, packing, packed):
            packed.shards.append(shard)
            write_json(packing.draft / PROGRESS, asdict(packed))
        if not packed.count:
            raise ValueError(
                "there is no record that can be packed; look into the files that the format reads"
            )
    except ValueError:
        shutil.rmtree(packing.draft, ignore_errors=True)
        raise
    _publish(packing, packed)
    return packed


def _write(records: Iterable[Any], packing: Packing, packed: Packed) -> Iterator[dict[str, Any]]:
    packing.draft.mkdir(parents=True, exist_ok=True)
    valid = _valid_records(records, packing, packed)
    return write_shards(valid, packing.draft, packing.prefix, packing.samples_per_shard, len(packed.shards))


def _known(packing: Packing) -> Packed:
    """Return what an earlier, killed process did."""
    path = packing.draft / PROGRESS
    return Packed(**json.loads(path.read_text())) if path.is_file() else Packed()


def _check_output(packing: Packing) -> None:
    output, part = packing.output, packing.part
    present = {path.name for path in output.iterdir()} if output.exists() else set()
    others = {name for name in present if re.fullmatch(r"part-\d+-of-\d+\.json", name)}
    if present and (MANIFEST in present or f"part-{part}.json" in present or not others):
        raise ValueError(f"output={output} is not empty; choose another folder or delete it")


def _publish(packing: Packing, packed: Packed) -> None:
    """Move a share into the set, and close the set if it is the last one."""
    output, part = packing.output, packing.part
    (packing.draft / PROGRESS).unlink()
    output.mkdir(parents=True, exist_ok=True)
    with FileLock(output.parent / f".{output.name}.lock"):
        for shard in packed.shards:
            draft = packing.draft / shard["name"]
            index_path(draft).replace(index_path(output / shard["name"]))
            draft.replace(output / shard["name"])
        packing.draft.rmdir()
        write_json(output / f"part-{part}.json", asdict(packed))
        parts = [output / f"part-{Part(number, part.of)}.json" for number in range(1, part.of + 1)]
        if all(path.is_file() for path in parts):
            _close(packing, [Packed(**json.loads(path.read_text())) for path in parts])
            for path in parts:
                path.unlink()
    (output.parent / f".{output.name}.lock").unlink(missing_ok=True)


def _close(packing: Packing, parts: list[Packed]) -> None:
    """Write what describes the whole set."""
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


def _valid_records(records: Iterable[Any], packing: Packing, packed: Packed) -> Iterator[Record]:
    for number, content in islice(enumerate(records), packed.seen, None):
        packed.seen = number + 1
        if not packing.part.takes(number):
            continue
        try:
            yield _record(number, content, packing.images)
        except (OSError, ValueError) as error:
            label = content.get("id", number) if isinstance(content, dict) else number
            if packing.on_error == "raise":
                raise ValueError(
                    f"record {number} (id {label}): {error}; mend it, or list it and go on: on_error=skip"
                ) from error
            packed.skipped.append({"record": str(number), "id": str(label), "reason": str(error)})


def _record(number: int, content: Any, folder: Path) -> Record:
    """Check a record and read its pictures; LLaVA's ids repeat, so the key is its number and id."""
    check_record(content)
    paths = [folder / path for path in image_paths(content)]
    placeholders = sum(turn["value"].count(IMAGE_PLACEHOLDER) for turn in content["conversations"])
    if placeholders != len(paths):
        raise ValueError(f"{placeholders} {IMAGE_PLACEHOLDER} for {len(paths)} pictures")
    pictures = {}
    for place, path in enumerate(paths):
        encoded, extension = _read_image(path)
        pictures[f"{place:03d}.{extension}" if len(paths) > 1 else extension] = encoded
    identifier = re.sub(r"[^A-Za-z0-9_-]", "_", str(content.get("id", "")))
    return Record(f"{number:08d}-{identifier}".rstrip("-"), content, pictures)


def _read_image(path: Path) -> tuple[bytes, str]:
    """Return a picture's bytes, decoded once to the last pixel so that a cut-off file is seen."""
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
