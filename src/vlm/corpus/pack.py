"""Any LLaVA JSON and its picture folder into shards, with a manifest and a report of what was wrong."""

import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from vlm.corpus.write import Record, whole_folder, write_shards
from vlm.data.index import MANIFEST
from vlm.data.sample import IMAGE_PLACEHOLDER
from vlm.run.folder import write_json

REPORT = "skipped.json"
SPEAKERS = ("human", "gpt")


@dataclass
class Packed:
    """What became of a file of records.

    Args:
        count: Samples written.
        skipped: Record, file and reason of each that was not.
    """

    count: int = 0
    skipped: list[dict[str, str]] = field(default_factory=list)


def pack(
    records: Path, images: Path, output: Path, name: str, licence: str, on_error: str, samples_per_shard: int
) -> Packed:
    """Write shards, their indexes, `manifest.json` and, if something was skipped, `skipped.json`.

    Args:
        records: LLaVA JSON: a list of `{id, image?, conversations}`.
        images: Folder that the records' `image` paths start from.
        output: Folder to make.
        name: Prefix of the shards.
        licence: Of the pictures and texts, for the manifest.
        on_error: `raise` at the first record that is wrong, or `skip` and list it.
        samples_per_shard: At most.

    Raises:
        ValueError: A record or picture is wrong and `on_error` is `raise`, or none is right.
    """
    if on_error not in ("raise", "skip"):
        raise ValueError(f"on_error must be raise or skip, got {on_error}")
    if samples_per_shard < 1:
        raise ValueError(f"samples_per_shard must be at least 1, got {samples_per_shard}")
    packed = Packed()
    with whole_folder(output) as folder:
        valid = _valid_records(_read(records), images, on_error, packed)
        shards = write_shards(valid, folder, name, samples_per_shard)
        packed.count = sum(shard["count"] for shard in shards)
        if not packed.count:
            raise ValueError(f"json={records} holds no record that can be packed")
        if packed.skipped:
            write_json(folder / REPORT, packed.skipped)
        manifest = {
            "name": name, "licence": licence, "count": packed.count, "skipped": len(packed.skipped),
            "shards": shards,
        }  # fmt: skip
        write_json(folder / MANIFEST, manifest)
    return packed


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        records = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"json={path} cannot be read: {error}") from error
    if not isinstance(records, list):
        raise ValueError(f"json={path} must hold a list of records, got {type(records).__name__}")
    return records


def _valid_records(
    records: list[dict[str, Any]], images: Path, on_error: str, packed: Packed
) -> Iterator[Record]:
    for number, content in enumerate(records):
        try:
            yield _record(number, content, images)
        except (OSError, ValueError) as error:
            label = content.get("id", number) if isinstance(content, dict) else number
            if on_error == "raise":
                raise ValueError(
                    f"record {number} (id {label}): {error}; mend it, or list it and go on: on_error=skip"
                ) from error
            packed.skipped.append({"record": str(number), "id": str(label), "reason": str(error)})


def _record(number: int, content: dict[str, Any], folder: Path) -> Record:
    """Check a record and read its pictures; LLaVA's ids repeat, so the key is its number and id."""
    _check_conversation(content)
    named = content.get("image", [])
    paths = [folder / path for path in ([named] if isinstance(named, str) else named)]
    placeholders = sum(turn["value"].count(IMAGE_PLACEHOLDER) for turn in content["conversations"])
    if placeholders != len(paths):
        raise ValueError(f"{placeholders} {IMAGE_PLACEHOLDER} for {len(paths)} pictures")
    pictures = {}
    for place, path in enumerate(paths):
        encoded, extension = _read_image(path)
        pictures[f"{place:03d}.{extension}" if len(paths) > 1 else extension] = encoded
    identifier = re.sub(r"[^A-Za-z0-9_-]", "_", str(content.get("id", "")))
    return Record(f"{number:08d}-{identifier}".rstrip("-"), content, pictures)


def _check_conversation(content: dict[str, Any]) -> None:
    if not isinstance(content, dict) or not isinstance(content.get("conversations"), list):
        raise ValueError("it must be an object with a list of conversations")
    for place, turn in enumerate(content["conversations"]):
        speaker = SPEAKERS[place % 2]
        if (
            not isinstance(turn, dict)
            or turn.get("from") != speaker
            or not isinstance(turn.get("value"), str)
        ):
            raise ValueError(f"conversations[{place}] must be {{from: {speaker}, value: TEXT}}")
    if not content["conversations"] or len(content["conversations"]) % 2:
        raise ValueError("conversations must be pairs of a human's and gpt's turn")


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
        raise ValueError(f"image {path} cannot be decoded ({error})") from error
    return encoded, {"jpeg": "jpg"}.get(extension, extension)
