"""vlm data: make and look after data.

  vlm data pack|index|inspect|shapes key=value ...

pack    a LLaVA JSON and its picture folder become WebDataset shards with indexes and a manifest
          json=FILE images=DIR output=DIR [name=samples] [licence=unknown] [on_error=raise|skip]
          [samples_per_shard=1000]
index   write the index of somebody else's tars
          shards=GLOB
inspect samples of a sentence's outermost stage, as the model reads them: tokens, what is learned, pictures
          [show=3] samples of each source in the terminal  [page=FILE.html]  [source=NAME]  and the sentence
shapes  make the shapes world
          output=DIR [seed=2023] [scale=1.0]
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from vlm.corpus.generate import WORLD_SEED
from vlm.options import MISSING, parse_options


@dataclass
class Pack:
    """`vlm data pack`."""

    json: str = MISSING
    images: str = MISSING
    output: str = MISSING
    name: str = "samples"
    licence: str = "unknown"
    on_error: str = "raise"
    samples_per_shard: int = 1000


@dataclass
class Index:
    """`vlm data index`."""

    shards: str = MISSING


@dataclass
class Inspect:
    """`vlm data inspect`."""

    show: int = 3
    page: str | None = None
    source: str | None = None


@dataclass
class Shapes:
    """`vlm data shapes`."""

    output: str = MISSING
    seed: int = WORLD_SEED
    scale: float = 1.0


def run(words: Sequence[str]) -> int:
    """Do one of them.

    Raises:
        ValueError: The first word is none of them.
    """
    if not words or words[0] not in _TASKS:
        raise ValueError(f"say what: vlm data {'|'.join(_TASKS)}")
    _TASKS[words[0]](words[1:])
    return 0


def _pack(words: Sequence[str]) -> None:
    from vlm.corpus.pack import REPORT, pack  # noqa: PLC0415 (webdataset and PIL take a second)

    options = parse_options(Pack, words)
    output = Path(options.output)
    packed = pack(
        Path(options.json), Path(options.images), output, options.name, options.licence, options.on_error,
        options.samples_per_shard,
    )  # fmt: skip
    print(f"{output}: {packed.count} samples packed")
    if packed.skipped:
        print(f"{output / REPORT}: {len(packed.skipped)} records skipped, with their reasons")


def _index(words: Sequence[str]) -> None:
    from vlm.data.index import write_index  # noqa: PLC0415
    from vlm.data.locate import find_shards  # noqa: PLC0415

    for shard in find_shards("shards", parse_options(Index, words).shards):
        print(f"{shard}: {len(write_index(shard.path()).keys)} samples")


def _inspect(words: Sequence[str]) -> None:
    own = {field.name for field in fields(Inspect)}
    options = parse_options(Inspect, [word for word in words if word.partition("=")[0] in own])
    sentence = [word for word in words if word.partition("=")[0] not in own]
    if options.show < 1:
        raise ValueError(f"show must be at least 1, got {options.show}")
    from vlm.quiet import quiet_libraries  # noqa: PLC0415 (torch takes seconds)
    from vlm.study.inspection import inspect_sentence  # noqa: PLC0415

    quiet_libraries()
    inspect_sentence(sentence, options.show, options.source, Path(options.page) if options.page else None)


def _shapes(words: Sequence[str]) -> None:
    from vlm.corpus.shapes.world import make_world  # noqa: PLC0415

    options = parse_options(Shapes, words)
    manifest = make_world(Path(options.output), options.seed, options.scale)
    for name, shards in manifest["shards"].items():
        print(f"{name:<26} {sum(shard['count'] for shard in shards):>6} samples")


_TASKS: dict[str, Callable[[Sequence[str]], None]] = {
    "pack": _pack,
    "index": _index,
    "inspect": _inspect,
    "shapes": _shapes,
}
