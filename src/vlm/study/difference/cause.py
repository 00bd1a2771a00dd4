"""The likely cause, in one line, of the first difference between two trainings."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from vlm.config import PARTS
from vlm.run.trace import MACHINE
from vlm.study.difference.between import Difference, StageDifference
from vlm.study.difference.leaves import Leaf
from vlm.study.difference.partings import Kind, Parting

MOST = 4
"""Reasons that a line names."""
DRAWN = r"mixture\.\w+(\.(weight|samples|held_out))?"
LENGTH = rf"stage\.(steps|epochs|batch_size)|budget\..*|trainer\.max_steps|{DRAWN}"
READ = (
    r"mixture\.\w+\.(loss_weight|without_text|template|image)\b.*|stage\.(template|image)\..*|parity|trainer\.precision|"
    r"(encoder|projector|llm|adapter)\..*|stage\.(learns|last_blocks)\..*|twin"
)
RATES = r"stage\.optimizer\.(learning_rate|warmup_fraction|schedule|(encoder|projector|llm)\..*)|tuning\..*"
CAUSES: dict[Kind, Sequence[str]] = {
    Kind.init: [r"(PARTS)\.(?!template).*|adapter\..*|twin|seed|stage\.learns\.(PARTS)", READ],
    Kind.batches: [
        rf"{DRAWN}|stage\.(batch_size|temperature)|seed|trainer\.on_error",
        r"stage\.batching\..*|trainer\.(tokens|samples)_per_row|stage\.(template|image)\..*",
        LENGTH,
    ],
    Kind.losses: [READ],
    Kind.gradients: [r"stage\.(learns|last_blocks)\..*|adapter\..*|trainer\.precision", READ],
    Kind.rates: [RATES, LENGTH, r"stage\.learns\..*"],
    Kind.end: [LENGTH],
    Kind.weights: [r"stage\.optimizer\.ema", r"stage\.optimizer\..*"],
}
"""Keys that a difference of a kind comes from, the likeliest first; PARTS stands for parts that differ."""
UPDATES = r"stage\.optimizer\..*"
"""Keys that show in losses and gradients of later steps."""
ARITHMETIC = (
    r"devices|nodes|strategy\..*|trainer\.(accelerator|num_threads|tokens_per_row|samples_per_row|compile|"
    r"kernels|activation_checkpointing)"
)
"""Keys that change results by the order of sums alone."""


def likely_cause(difference: Difference) -> str:
    """Return a line that says where two runs part first, and why."""
    several = len(difference.stages) > 1
    for stage in difference.stages:
        prefix = f"{stage.name}: " if several else ""
        if stage.first is None or stage.second is None:
            has, lacks = ("FIRST", "SECOND") if stage.first else ("SECOND", "FIRST")
            return f"{prefix}only {has} has this stage; {lacks} begins without it"
        if stage.partings:
            return prefix + (_unshown(stage) if stage.untraced else _explain(stage, stage.partings[0]))
    for stage in difference.stages:
        if not stage.is_alike:
            return (f"{stage.name}: " if several else "") + _unshown(stage)
    return "none: nothing that could change weights differs" + _how_far(difference.stages)


def _how_far(stages: Iterable[StageDifference]) -> str:
    """Say by what the trainings were found the same."""
    said = []
    for stage in stages:
        if stage.untraced:
            said.append(f"{stage.name}: {' and '.join(stage.untraced)} without a trace")
        else:
            said.append(f"{stage.name}: {len(stage.steps)} recorded steps are the same to the bit")
    return f" ({'; '.join(said)})"


def _unshown(stage: StageDifference) -> str:
    """Say what differs where no step shows what came of it."""
    reasons = [*map(_told, stage.entering), *_of_data(stage)] or _of_arithmetic(stage)
    told = _listed(reasons) or "nothing that is recorded"
    if stage.untraced:
        missing = " and ".join(stage.untraced)
        return f"{missing} without a trace to tell where they part; what differs: {told}"
    if not stage.steps:
        return f"no step that both have recorded; what differs: {told}"
    return f"the same in all {len(stage.steps)} recorded steps, although {told}"


def _explain(stage: StageDifference, parting: Parting) -> str:
    opening, same = _opening(stage, parting), _shared(parting)
    reasons = _by_value(stage, parting)
    if reasons:
        return f"{same}{opening}: {_listed(reasons)}"
    if parting.kind is Kind.init and _starts_elsewhere(stage):
        return f"{opening}: it starts from another stage before"
    resumed = next(_resumed(stage, parting), None)
    if resumed:
        return f"{resumed}; {opening}"
    told = _of_arithmetic(stage)
    if told:
        return f"{same}{opening}: arithmetic ({_listed(told)})"
    return f"{same}{opening}: nothing that is recorded says why; an operation that does not repeat to the bit"


def _opening(stage: StageDifference, parting: Parting) -> str:
    kind, step = parting.kind, parting.step
    by = f" by {parting.size:.2g}" if parting.size is not None else ""
    where = f" ({parting.where})" if parting.where else ""
    if kind is Kind.init:
        return f"init differs ({', '.join(parting.first)})"
    if kind is Kind.end:
        return (
            f"the same as far as both go; FIRST ends at step {parting.first}, SECOND at step {parting.second}"
        )
    if kind is Kind.weights:
        return f"the same in all {len(stage.steps)} recorded steps, but what was learned differs{where}"
    between = parting.same_until is not None and parting.same_until < step - 1
    at = f"between steps {parting.same_until} and {step}" if between else f"at step {step}"
    return f"{kind.value} part {at}{by}{where}"


def _shared(parting: Parting) -> str:
    """Say what was the same until losses or gradients parted."""
    if parting.kind not in (Kind.losses, Kind.gradients):
        return ""
    if parting.same_until is not None:
        return f"same until step {parting.same_until}, "
    return "same batches and init, " if parting.kind is Kind.losses else "same batches, init and losses, "


def _by_value(stage: StageDifference, parting: Parting) -> list[str]:
    """Return the values and data that differ and by which such a difference comes, the likeliest alone."""
    parts = "|".join(parting.first) if parting.kind is Kind.init else "|".join(PARTS)
    later = parting.same_until is not None and parting.kind in (Kind.losses, Kind.gradients)
    data = _of_data(stage) if parting.kind in (Kind.batches, Kind.losses) else []
    for pattern in [*([UPDATES] if later else []), *CAUSES[parting.kind]]:
        matching = re.compile(pattern.replace("PARTS", parts))
        found = [_told(leaf) for leaf in stage.entering if matching.fullmatch(leaf.key)]
        if found or data:
            return found + data
    return [*map(_told, stage.entering), *([] if parting.kind is Kind.init else _of_data(stage))]


def _starts_elsewhere(stage: StageDifference) -> bool:
    assert stage.first
    assert stage.second
    return bool(stage.first.identity["after"] != stage.second.identity["after"])


def _of_data(stage: StageDifference) -> list[str]:
    return [f"data of {source.name} (other content)" for source in stage.sources if source.changed]


def _of_arithmetic(stage: StageDifference) -> list[str]:
    """Return what differs of values, versions and machines by which sums come out otherwise."""
    leaves = [leaf for leaf in stage.leaves if re.fullmatch(ARITHMETIC, leaf.key)]
    return [
        *map(_told, leaves),
        *(
            f"{key} {' then '.join(map(str, one))} against {' then '.join(map(str, two))}"
            for key, (one, two) in stage.environment.items()
            if not any(leaf.key.endswith(key) for leaf in leaves)  # said already
        ),
    ]


def _resumed(stage: StageDifference, parting: Parting) -> Iterator[str]:
    """Yield where a run was resumed between the last step that was the same and the first that is not."""
    for label, kept in (("FIRST", stage.first), ("SECOND", stage.second)):
        starts = kept.record.starts if kept and kept.record else []
        for before, start in pairwise(starts):
            if (parting.same_until or 0) <= start["step"] < parting.step:
                yield f"same until step {start['step']}, where {label} was resumed{_otherwise(before, start)}"


def _otherwise(before: dict[str, Any], start: dict[str, Any]) -> str:
    """Say what a resumed run found changed."""
    one, two = before[MACHINE], start[MACHINE]
    if one["devices"] != two["devices"]:
        return f" with another number of devices ({one['devices']}, then {two['devices']})"
    one, two = one | before["provenance"], two | start["provenance"]
    changed = [
        f"{key} {one.get(key)}, then {two[key]}" for key in two if key != "date" and one.get(key) != two[key]
    ]
    return f" ({_listed(changed)})" if changed else ""


def _told(leaf: Leaf) -> str:
    return f"{leaf.key} {shorten(leaf.first)} against {shorten(leaf.second)}"


def _listed(reasons: Sequence[str]) -> str:
    more = f" and {len(reasons) - MOST} more" if len(reasons) > MOST else ""
    return ", ".join(reasons[:MOST]) + more


def shorten(value: Any, length: int = 40) -> str:
    """Return a value as a person reads it, cut off where it is long."""
    is_plain = isinstance(value, str) and value.isprintable() and value
    text = str(value) if is_plain else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= length else f"{text[: length - 3]}..."
