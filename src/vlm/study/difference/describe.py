"""A difference between two runs, as a person reads it and as JSON."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from vlm.study.difference.between import Difference, SourceDifference, StageDifference
from vlm.study.difference.cause import likely_cause, shorten
from vlm.study.difference.leaves import ABSENT
from vlm.study.difference.partings import Kind, Parting
from vlm.study.difference.scores import ScoreDifference

EVERY = "every stage"
HASH = 12  # characters of one that are shown

Row = tuple[str, ...]
"""A stage, what differs, what the first run has and what the second."""
Rows = dict[str, list[Row]]
"""Those of each stage, without its name."""


def describe(difference: Difference) -> list[str]:
    """Return lines: what differs, section by section, and the likely cause last."""
    first, second = difference.folders
    stages = [stage for stage in difference.stages if stage.first and stage.second]
    entering: Rows = {stage.name: [_row(leaf) for leaf in stage.leaves if leaf.enters] for stage in stages}
    others: Rows = {stage.name: [_row(leaf) for leaf in stage.leaves if not leaf.enters] for stage in stages}
    data: Rows = {
        stage.name: [row for source in stage.sources for row in _data_rows(source)] for stage in stages
    }
    versions: Rows = {
        stage.name: [(key, _chain(one), _chain(two)) for key, (one, two) in stage.environment.items()]
        for stage in stages
    }
    return [
        f"FIRST   {first}",
        f"SECOND  {second}",
        *_section("config that enters the fingerprint", _merged(entering)),
        *_section("config that does not", _merged(others)),
        *_section("data", _merged(data), _unchanged(stages)),
        *_section("versions and machines", _merged(versions)),
        *_section(
            "training", [(stage.name, line) for stage in difference.stages for line in _training(stage)]
        ),
        *_section(
            "scores", [row for score in difference.scores for row in _score_rows(score)], "none in common"
        ),
        f"likely cause: {likely_cause(difference)}",
    ]


def as_json(difference: Difference) -> dict[str, Any]:
    """Return all of it."""
    first, second = map(str, difference.folders)
    return {
        "first": first,
        "second": second,
        "same": difference.is_alike,
        "cause": likely_cause(difference),
        "stages": [_stage_as_json(stage) for stage in difference.stages],
        "scores": [asdict(score) for score in difference.scores],
    }


def _stage_as_json(stage: StageDifference) -> dict[str, Any]:
    return {
        "stage": stage.name,
        "first": str(stage.first.folder) if stage.first else None,
        "second": str(stage.second.folder) if stage.second else None,
        "same": stage.is_alike,
        "config": [asdict(leaf) for leaf in stage.leaves],
        "data": [asdict(source) | {"changed": source.changed} for source in stage.sources],
        "environment": stage.environment,
        "recorded_steps": len(stage.steps),
        "without_trace": stage.untraced,
        "partings": [asdict(parting) | {"kind": parting.kind.value} for parting in stage.partings],
    }


def _row(leaf: Any) -> Row:
    return leaf.key, shorten(leaf.first), shorten(leaf.second)


def _chain(values: Iterable[Any]) -> str:
    return " then ".join(map(shorten, values))


def _merged(rows: Rows) -> list[Row]:
    """Put the stage before each row, and what all stages have in common first and once."""
    common = [row for row in next(iter(rows.values()), []) if all(row in others for others in rows.values())]
    common = common if len(rows) > 1 else []
    return [
        *((EVERY, *row) for row in common),
        *((name, *row) for name, own in rows.items() for row in own if row not in common),
    ]


def _section(title: str, rows: Sequence[Row], nothing: str = "the same") -> list[str]:
    """Return a title and its rows in columns."""
    if not rows:
        return [f"{title}: {nothing}"]
    number = max(map(len, rows))
    widths = [max(len(row[column]) for row in rows if column < len(row) - 1) for column in range(number - 1)]
    lines = [
        "  ".join([*(text.ljust(width) for text, width in zip(row[:-1], widths, strict=False)), row[-1]])
        for row in rows
    ]
    return [title, *(f"  {line}" for line in lines)]


def _data_rows(source: SourceDifference) -> list[Row]:
    """Return what differs of a source; how many samples are drawn, only if that is not the sources' doing."""
    rows: list[Row] = []
    one, two = source.contents
    if one != two:
        hashes = [content[:HASH] if content else ABSENT for content in source.contents]
        rows.append((f"{source.name}: content", *hashes))
    for title, counts in (("samples", source.samples), ("drawn in an epoch", source.drawn)):
        if counts[0] != counts[1] and None not in counts:
            rows.append((f"{source.name}: {title}", *(f"{count:,}" for count in counts)))
    return rows


def _unchanged(stages: Iterable[StageDifference]) -> str:
    """Say how much the same data is."""
    said = []
    for stage in stages:
        counts = [source.samples[0] for source in stage.sources if source.samples[0] is not None]
        held = f", {sum(counts):,} samples" if counts else ""
        plural = "source" if len(stage.sources) == 1 else "sources"
        said.append(f"{stage.name} reads {len(stage.sources)} {plural}{held}")
    return f"the same ({'; '.join(said)})"


def _training(stage: StageDifference) -> list[str]:
    if stage.first is None or stage.second is None:
        return ["only FIRST has it" if stage.first else "only SECOND has it"]
    if stage.first.folder.path.resolve() == stage.second.folder.path.resolve():
        return ["the same run"]
    lines = [f"{label} has no trace: it was trained before there were any" for label in stage.untraced]
    lines += [_parting(parting) for parting in stage.partings]
    if not stage.partings and stage.steps:
        lines.append(f"the same to the bit in {len(stage.steps)} recorded steps, to step {stage.steps[-1]}")
    if not stage.partings and stage.first.weights() and stage.second.weights():
        lines.append("what was learned is the same to the bit")
    for label, kept in (("FIRST", stage.first), ("SECOND", stage.second)):
        if not kept.manifest:
            lines.append(f"{label} is not finished")
    return lines or ["no step that both have recorded"]


def _parting(parting: Parting) -> str:
    one, two = _value(parting.first, parting.where), _value(parting.second, parting.where)
    values = f"{one} against {two}"
    if parting.kind is Kind.init:
        parts = ", ".join(parting.first)
        return f"initial weights differ: {parts}; norm of {parting.where} {values}"
    if parting.kind is Kind.end:
        return f"last step {values}"
    if parting.kind is Kind.weights:
        return f"what was learned differs: {parting.where}"
    where = f" ({parting.where})" if parting.where else ""
    by = f" by {parting.size:.2g}{where}" if parting.size is not None else ""
    since = "" if parting.same_until is None else f", the same until step {parting.same_until}"
    return f"{parting.kind.value} part at step {parting.step}{by}: {values}{since}"


def _value(value: Any, where: str | None) -> str:
    if isinstance(value, dict):
        value = value.get(where, ABSENT) if where else ", ".join(value)
    return f"{value:.9g}" if isinstance(value, float) else str(value)[:HASH]


def _score_rows(score: ScoreDifference) -> list[Row]:
    if score.headline not in score.metrics:
        return []
    one, two = score.metrics[score.headline]
    how = "" if score.asked_alike else "  (not asked in the same way)"
    return [(score.benchmark, score.headline, f"{one:.5g}", f"{two:.5g}", f"{two - one:+.3g}{how}")]
