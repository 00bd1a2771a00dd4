"""vlm data: make and look after data.

  vlm data pack|formats|build-665k|index|check|filter|inspect|shapes|pope key=value ...

pack    records and their picture folder become WebDataset shards with indexes and a manifest
          [format=llava] json=FILE images=DIR output=DIR [name=samples] [licence=unknown]
          [on_error=raise|skip] [samples_per_shard=1000] [part=i/n]
          other formats and what they read: vlm data formats
build-665k  LLaVA-1.5's mixture from the official files, a folder a source; says where counts differ, and why
          annotations=DIR images=DIR output=DIR [only=vqav2,gqa] [on_error=skip] [samples_per_shard=1000]
index   write the index of somebody else's tars
          shards=GLOB
check   look at every record and picture of shards; exit status 1 if something must be mended
          shards=GLOB [report=FILE.json] [against=DIR: a benchmark's pictures, which must not be among them]
          [min_side=16] [max_aspect=10] [max_distance=4] [workers=0: all cores] [part=i/n]
filter  keep captions so that frequent concepts do not drown rare ones, as LLaVA chose 595K pairs of CC3M
          [format=llava] json=FILE output=FILE.json [min_count=3] [max_captions=100] [seed=0] [workers=0]
          [phrases=PACKAGE.MODULE.FUNCTION, from a caption to its phrases] [part=i/n]
inspect samples of a sentence's outermost stage, as the model reads them: tokens, what is learned, pictures
          [show=3] samples of each source in the terminal  [page=FILE.html]  [source=NAME]  and the sentence
shapes  make the shapes world, unless it is there
          output=DIR [seed=2023] [scale=1.0]
pope    POPE's questions, is there such a thing in the picture, about anybody's pictures, from their boxes
          [format=coco] annotations=FILE [images=DIR] output=DIR [sampling=random,popular,adversarial]
          [per_image=6] [pictures=500] [seed=1] [name=coco]
          format=yolo annotations=DIR names=FILE.yaml images=DIR, format=lines annotations=FILE, format=shapes
          benchmark=pope_boxes data=DIR asks them; pack format=pope questions=DIR/questions.jsonl teaches them

part=i/n does one of n shares of pack, check or filter; the last to finish joins them, and one that was killed
goes on where it was. Hydra's launchers (joblib, submitit_slurm) spread all shares over cores or nodes:
  vlm data pack ... part=all/8 -m hydra/launcher=joblib
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlm.corpus.generate import WORLD_SEED, ensure_shapes
from vlm.options import MISSING, parse_options, split_options


@dataclass
class Pack:
    """`vlm data pack`."""

    output: str = MISSING
    format: str = "llava"
    images: str = ""
    name: str = "samples"
    licence: str = "unknown"
    on_error: str = "raise"
    samples_per_shard: int = 1000
    part: str = "1/1"


@dataclass
class Build:
    """`vlm data build-665k`."""

    annotations: str = MISSING
    images: str = MISSING
    output: str = MISSING
    only: str = ""
    on_error: str = "skip"
    samples_per_shard: int = 1000


@dataclass
class Index:
    """`vlm data index`."""

    shards: str = MISSING


@dataclass
class Check:
    """`vlm data check`."""

    shards: str = MISSING
    report: str | None = None
    against: str | None = None
    min_side: int = 16
    max_aspect: float = 10.0
    max_distance: int = 4
    workers: int = 0
    part: str = "1/1"


@dataclass
class Filter:
    """`vlm data filter`."""

    output: str = MISSING
    format: str = "llava"
    min_count: int = 3
    max_captions: int = 100
    seed: int = 0
    phrases: str | None = None
    workers: int = 0
    part: str = "1/1"


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
    if {"-m", "--multirun"} & set(words):
        from vlm.study.shares import do_shares  # noqa: PLC0415 (Hydra)

        return do_shares(words[0], words[1:])
    return _TASKS[words[0]](words[1:]) or 0


def _pack(words: Sequence[str]) -> None:
    from vlm.corpus.pack import REPORT, Packing, is_packed, pack  # noqa: PLC0415 (webdataset and PIL: a second)
    from vlm.corpus.part import Part  # noqa: PLC0415

    records, own = _records(Pack, words)
    options = parse_options(Pack, own)
    packing = Packing(
        Path(options.images), Path(options.output), options.name, options.licence, options.on_error,
        options.samples_per_shard, Part.parse(options.part),
    )  # fmt: skip
    packed = pack(records, packing)
    print(f"{options.output}: {packed.count} samples packed")
    if packed.skipped:
        where = f"{packing.output / REPORT}: " if is_packed(packing.output) else ""
        print(f"{where}{len(packed.skipped)} records skipped, with their reasons")


def _records(kind: type[Pack] | type[Filter], words: Sequence[str]) -> tuple[Iterator[Any], list[str]]:
    """Return what a format reads, and the words that are not the format's."""
    from vlm.corpus.formats import find_format  # noqa: PLC0415

    own, theirs = split_options(kind, words)
    chosen = [word.partition("=")[2] for word in own if word.startswith("format=")]
    return find_format((chosen or [kind.format])[-1]).read(theirs), own  # first: it knows what is misspelt


def _build_665k(words: Sequence[str]) -> None:
    from vlm.corpus.mix665k import RECIPES, build, compare  # noqa: PLC0415
    from vlm.corpus.pack import Packing  # noqa: PLC0415

    options = parse_options(Build, words)
    packing = Packing(
        Path(options.images), Path(options.output), on_error=options.on_error,
        samples_per_shard=options.samples_per_shard,
    )  # fmt: skip
    only = options.only.split(",") if options.only else list(RECIPES)
    counts = {}
    for name, count in build(Path(options.annotations), only, packing):
        counts[name] = count
        print(f"{name:<10}{count:>8} samples", flush=True)
    lines = [line for line in compare(counts) if line.partition(":")[0] in counts]
    print("\n".join(lines or ["every count is LLaVA-1.5's"]))


def _formats(words: Sequence[str]) -> None:
    from vlm.corpus.formats import find_format, format_names  # noqa: PLC0415

    for name in format_names():
        print("\n    ".join([f"{name:<16}{find_format(name).about}", find_format(name).keys]))


def _index(words: Sequence[str]) -> None:
    from vlm.data.index import write_index  # noqa: PLC0415
    from vlm.data.locate import find_shards  # noqa: PLC0415

    for shard in find_shards("shards", parse_options(Index, words).shards):
        print(f"{shard}: {len(write_index(shard.path()).keys)} samples")


def _check(words: Sequence[str]) -> int:
    from vlm.corpus.check import Checking, Wanted, check, pictures_in  # noqa: PLC0415
    from vlm.corpus.part import Part  # noqa: PLC0415
    from vlm.data.locate import find_shards  # noqa: PLC0415

    options = parse_options(Check, words)
    checking = Checking(
        Wanted(options.min_side, options.max_aspect, options.max_distance),
        pictures_in(Path(options.against)) if options.against else [],
        Path(options.report) if options.report else None,
        options.workers,
        Part.parse(options.part),
    )
    report = check(find_shards("shards", options.shards), checking)
    if report is None:
        print(f"part={options.part} is done; the last share writes {options.report}")
        return 0
    print("\n".join(report.lines()))
    if options.report:
        print(f"written: {options.report}")
    return 0 if report.is_sound else 1


def _filter(words: Sequence[str]) -> None:
    from vlm.corpus.balance import Balance  # noqa: PLC0415
    from vlm.corpus.filter import Filtering, filter_records  # noqa: PLC0415
    from vlm.corpus.part import Part  # noqa: PLC0415
    from vlm.corpus.phrases import NOUN_PHRASES  # noqa: PLC0415

    read, own = _records(Filter, words)
    options = parse_options(Filter, own)
    filtering = Filtering(
        Path(options.output), Balance(options.min_count, options.max_captions, options.seed),
        options.phrases or NOUN_PHRASES, options.workers, Part.parse(options.part),
    )  # fmt: skip
    records = list(read)
    kept = filter_records(records, filtering)
    if kept is None:
        print(f"part={options.part} is done; the last share writes {options.output}")
        return
    print(
        f"{options.output}: {len(kept.places)} of {len(records)} records kept, by {kept.num_phrases} phrases"
    )
    print(f"  {kept.num_rare} in fewer than {options.min_count} captions brought none")
    print(f"  {kept.num_drawn} in more than {options.max_captions} brought {options.max_captions}, drawn")


def _inspect(words: Sequence[str]) -> None:
    own, sentence = split_options(Inspect, words)
    options = parse_options(Inspect, own)
    if options.show < 1:
        raise ValueError(f"show must be at least 1, got {options.show}")
    from vlm.quiet import quiet_libraries  # noqa: PLC0415 (torch takes seconds)
    from vlm.study.inspection import inspect_sentence  # noqa: PLC0415

    quiet_libraries()
    inspect_sentence(sentence, options.show, options.source, Path(options.page) if options.page else None)


def _shapes(words: Sequence[str]) -> None:
    options = parse_options(Shapes, words)
    manifest = ensure_shapes(Path(options.output), options.seed, options.scale)
    found = (manifest.get("seed"), manifest.get("scale", 1.0))  # an older world does not say its scale
    if found != (options.seed, options.scale):
        raise ValueError(f"output={options.output} holds another world; choose another folder or delete it")
    for name, shards in manifest["shards"].items():
        print(f"{name:<26} {sum(shard['count'] for shard in shards):>6} samples")


def _pope(words: Sequence[str]) -> None:
    from vlm.corpus.objects.pope import ALL, Options, make_questions  # noqa: PLC0415

    options = parse_options(Options, words)
    made = make_questions(options)
    for sampling, count in made.questions.items():
        print(f"{sampling:<12}{count:>8} questions")
    print(
        f"{options.output}/{ALL}: all of them, about {made.asked} of {made.annotated} pictures; "
        f"{made.able} have enough in them"
    )


_TASKS: dict[str, Callable[[Sequence[str]], int | None]] = {
    "pack": _pack,
    "formats": _formats,
    "build-665k": _build_665k,
    "index": _index,
    "check": _check,
    "filter": _filter,
    "inspect": _inspect,
    "shapes": _shapes,
    "pope": _pope,
}
