"""Every record and picture of a set of shards looked at, in parallel, and one report of what is wrong."""

import hashlib
import io
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vlm.corpus.part import WHOLE, Journal, Part, Shares, interleave
from vlm.data.decode import why_broken
from vlm.data.locate import Shard
from vlm.data.sample import IMAGE_PLACEHOLDER, FaultySampleError, Sample
from vlm.data.shards import ShardSource
from vlm.data.template import require_alternation
from vlm.run.folder import write_json

FAULTS = {
    "record": "its record cannot be read, or its turns do not alternate",
    "placeholder": "its placeholders are not as many as its pictures",
    "picture": "a picture cannot be decoded to its last pixel",
    "key": "its key is another's too",
    "overlap": "a picture is a benchmark's, or nearly",
}
"""What must be mended: with any of these the check fails."""
REMARKS = {
    "small": "a side of a picture is shorter than wanted",
    "long": "a picture's sides differ more than wanted",
    "empty": "a turn says nothing",
    "duplicate": "a picture is another sample's too, byte for byte",
}
"""What may be as it should."""
EXAMPLES = 20  # of each kind, in the report


@dataclass(frozen=True)
class Wanted:
    """What pictures shall be like.

    Args:
        min_side: Pixels of the shorter side, at least.
        max_aspect: Longer side over shorter side, at most.
        max_distance: Bits of 64 in which the perceptual hashes of two pictures may differ that are the same
            to the eye.
    """

    min_side: int = 16
    max_aspect: float = 10.0
    max_distance: int = 4


@dataclass
class Seen:
    """What was seen of a shard.

    Args:
        samples: How many.
        pictures: How many.
        found: Kind and sample of each fault or remark.
        keys: Of the samples.
        digests: A hash of the bytes of each picture, with its sample.
        hashes: The perceptual hash of each picture, as a number of 64 bits, with its sample.
    """

    samples: int = 0
    pictures: int = 0
    found: list[tuple[str, str]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    digests: list[tuple[str, str]] = field(default_factory=list)
    hashes: list[tuple[int, str]] = field(default_factory=list)

    @classmethod
    def read(cls, row: dict[str, Any]) -> "Seen":
        """Return what was kept as JSON, which knows no pairs."""
        pairs = {key: [(a, b) for a, b in row[key]] for key in ("found", "digests", "hashes")}
        return cls(**(row | pairs))


@dataclass(frozen=True)
class Report:
    """What was seen of a set.

    Args:
        samples: How many.
        pictures: How many.
        counts: Samples of each kind of `FAULTS` and `REMARKS`.
        examples: Some of them, by `shard/key`.
    """

    samples: int
    pictures: int
    counts: dict[str, int]
    examples: dict[str, list[str]]

    @property
    def is_sound(self) -> bool:
        """Whether nothing must be mended."""
        return not any(self.counts[kind] for kind in FAULTS)

    def lines(self) -> Iterator[str]:
        """Yield it in words."""
        yield f"{self.samples} samples, {self.pictures} pictures"
        for kind, meaning in (FAULTS | REMARKS).items():
            if self.counts[kind]:
                first = self.examples[kind][0]
                yield f"  {kind:<12}{self.counts[kind]:>8}  {meaning}; the first is {first}"
        yield "sound" if self.is_sound else "not sound"


@dataclass(frozen=True)
class Checking:
    """How a set is checked.

    Args:
        wanted: What pictures shall be like.
        against: A benchmark's pictures, which must not be among the set's.
        report: File to write what was seen to; by it shares find each other, and a killed process goes on.
        workers: Processes; 0 for as many as there are cores.
        part: The share of the shards that is looked at here; the report is written when all are.

    Raises:
        ValueError: There are shares, and no report that they could be joined in.
    """

    wanted: Wanted
    against: Sequence[Path] = ()
    report: Path | None = None
    workers: int = 0
    part: Part = WHOLE

    def __post_init__(self) -> None:
        if self.report is None and not self.part.is_whole:
            raise ValueError("part= needs report=FILE, in which the shares are joined")


def check(shards: Sequence[Shard], checking: Checking) -> Report | None:
    """Look at every sample; None while other shares are missing.

    Args:
        shards: On this machine.
        checking: How.
    """
    with ProcessPoolExecutor(checking.workers or os.cpu_count() or 1) as pool:
        known = list(pool.map(_hash_file, checking.against, chunksize=16))
        look = partial(_look, wanted=checking.wanted, hashed=bool(known))
        if checking.report is None:
            return _sum_up(list(pool.map(look, shards)), known, checking.wanted)
        shares = Shares(checking.report, checking.part)
        mine = [shard for place, shard in enumerate(shards) if checking.part.takes(place)]
        found = shares.found
        if found is None:
            journal = Journal(shares.draft / "shards.jsonl", [asdict(checking.wanted), known])
            found = _look_at_all(mine, look, pool, journal)
    with shares.gather(found) as parts:
        if parts is None:
            return None
        report = _sum_up([Seen.read(seen) for seen in interleave(parts)], known, checking.wanted)
        write_json(checking.report, _describe(report))
        return report


def _look_at_all(
    shards: Sequence[Shard], look: Callable[[Shard], Seen], pool: Executor, journal: Journal
) -> list[Any]:
    """Look at the shards that the journal does not have, and return what was seen of all."""
    seen = dict(journal.rows)
    digests = [f"{shard} {shard.index().sha256}" for shard in shards]
    new = [(digest, shard) for digest, shard in zip(digests, shards, strict=True) if digest not in seen]
    looked = pool.map(look, [shard for _, shard in new])
    for (digest, _), found in zip(new, looked, strict=True):
        seen[digest] = asdict(found)
        journal.append([digest, seen[digest]])
    journal.close()
    return [seen[digest] for digest in digests]


def _sum_up(seen: Sequence[Seen], known: Sequence[int], wanted: Wanted) -> Report:
    found = [pair for shard in seen for pair in shard.found]
    found += [("key", key) for key in _repeated(key for shard in seen for key in shard.keys)]
    found += [("duplicate", name) for name in _same_bytes(pair for shard in seen for pair in shard.digests)]
    hashes = [pair for shard in seen for pair in shard.hashes]
    found += [("overlap", name) for name in _overlaps(hashes, known, wanted.max_distance)]
    examples: dict[str, list[str]] = {kind: [] for kind in FAULTS | REMARKS}
    for kind, name in found:
        examples[kind].append(name)
    return Report(
        sum(shard.samples for shard in seen),
        sum(shard.pictures for shard in seen),
        {kind: len(names) for kind, names in examples.items()},
        {kind: names[:EXAMPLES] for kind, names in examples.items() if names},
    )


def _describe(report: Report) -> dict[str, object]:
    """Return a report as it is written to a file."""
    return {**asdict(report), "sound": report.is_sound, "meanings": FAULTS | REMARKS}


def _look(shard: Shard, wanted: Wanted, hashed: bool) -> Seen:
    source = ShardSource(Path(str(shard)).name, [shard])
    seen = Seen(samples=len(source), keys=source.indexes[0].keys)
    for number, key in enumerate(seen.keys):
        name = f"{source.name}/{key}"
        try:
            sample = source[number]
            require_alternation(sample.turns)
        except (FaultySampleError, ValueError):
            seen.found.append(("record", name))
            continue
        seen.found += [(kind, name) for kind in _wrong_words(sample)]
        for encoded in sample.images:
            _look_at_picture(encoded, name, seen, wanted, hashed)
    return seen


def _wrong_words(sample: Sample) -> Iterator[str]:
    if sum(turn.text.count(IMAGE_PLACEHOLDER) for turn in sample.turns) != len(sample.images):
        yield "placeholder"
    if not all(turn.text.strip() for turn in sample.turns) or len(sample.turns) % 2:
        yield "empty"


def _look_at_picture(encoded: bytes, name: str, seen: Seen, wanted: Wanted, hashed: bool) -> None:
    seen.pictures += 1
    try:
        image = Image.open(io.BytesIO(encoded)).convert("RGB")
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        seen.found.append(("picture", f"{name} ({why_broken(error)})"))
        return
    short, long = sorted(image.size)
    if short < wanted.min_side:
        seen.found.append(("small", name))
    if long > wanted.max_aspect * short:
        seen.found.append(("long", name))
    seen.digests.append((hashlib.sha256(encoded).hexdigest(), name))
    if hashed:
        seen.hashes.append((_hash(image), name))


def _hash(image: Image.Image) -> int:
    """Return the perceptual hash of 64 bits, by the picture's lowest frequencies."""
    return int(str(imagehash.phash(image)), 16)


def _hash_file(path: Path) -> int:
    try:
        with Image.open(path) as image:
            return _hash(image.convert("RGB"))
    except OSError as error:
        raise ValueError(
            f"against: {path} cannot be decoded ({why_broken(error)}); mend or remove it"
        ) from error


def _repeated(keys: Iterable[str]) -> list[str]:
    return [key for key, count in Counter(keys).items() if count > 1]


def _same_bytes(digests: Iterable[tuple[str, str]]) -> list[str]:
    """Return all samples but the first of those that share a picture."""
    holders: dict[str, list[str]] = defaultdict(list)
    for digest, name in digests:
        holders[digest].append(name)
    return [name for names in holders.values() for name in names[1:]]


def _overlaps(hashes: Sequence[tuple[int, str]], known: Sequence[int], max_distance: int) -> list[str]:
    if not known:
        return []
    benchmark: NDArray[np.uint64] = np.array(known, np.uint64)
    return [
        name for value, name in hashes if np.bitwise_count(benchmark ^ np.uint64(value)).min() <= max_distance
    ]


def pictures_in(folder: Path) -> list[Path]:
    """Return the picture files below a folder.

    Raises:
        ValueError: There is none.
    """
    known = {extension for extension, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in known)
    if not found:
        raise ValueError(f"against={folder} holds no picture; name a folder that does")
    return found
