"""Where the traces of two trainings part."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from vlm.run.trace import Record
from vlm.study.difference.kept import Kept


class Kind(Enum):
    """In what two trainings part, in the order in which one follows from the other."""

    init = "init"
    batches = "batches"
    losses = "losses"
    gradients = "gradients"
    rates = "learning rates"
    end = "end"
    weights = "learned weights"


FIELDS = {
    Kind.batches: "batch",
    Kind.losses: "loss",
    Kind.gradients: "gradient_norm",
    Kind.rates: "learning_rate",
}
"""Of a step's line."""


@dataclass(frozen=True)
class Parting:
    """The first difference of a kind.

    Args:
        kind: Of what.
        step: At which it shows; 0 is before the first.
        same_until: The last step before at which both were recorded, and the same; None if there is none.
        size: Of the difference, where there are numbers: of losses (nats per token), norms or rates.
        where: The part, or for losses the source, that differs most.
        first: What the first run has: a number, a hash, or one of either for each part.
        second: The same of the other run.
    """

    kind: Kind
    step: int
    same_until: int | None
    size: float | None
    where: str | None
    first: Any
    second: Any


def find_partings(first: Kept, second: Kept) -> list[Parting]:
    """Return the first difference of each kind, in the order in which they came to be."""
    found = [*_outcomes(first, second)]
    if first.record and second.record:
        found += [*_beginnings(first.record, second.record), *_steps(first.record, second.record)]
    order = list(Kind)
    return sorted(found, key=lambda parting: (parting.step, order.index(parting.kind)))


def common_steps(first: Kept, second: Kept) -> list[int]:
    """Return the steps that both have recorded."""
    if not first.record or not second.record:
        return []
    return sorted(set(first.record.steps) & set(second.record.steps))


def _beginnings(first: Record, second: Record) -> Iterator[Parting]:
    one, two = (_initial_weights(record) for record in (first, second))
    parts = [part for part in one if part in two and one[part]["hash"] != two[part]["hash"]]
    if parts:
        norms = [{part: weights[part]["norm"] for part in parts} for weights in (one, two)]
        yield Parting(Kind.init, 0, None, *_size(*norms), *norms)


def _initial_weights(record: Record) -> dict[str, Any]:
    return dict(record.starts[0].get("weights", {})) if record.starts else {}


def _steps(first: Record, second: Record) -> Iterator[Parting]:
    common = sorted(set(first.steps) & set(second.steps))
    for kind, field in FIELDS.items():
        before = None
        for step in common:
            one, two = first.steps[step][field], second.steps[step][field]
            if kind is Kind.gradients and not (one and two):  # taken in one of them only
                continue
            if one != two:
                size, where = _size(one, two)
                if kind is Kind.losses:
                    where = _source_that_differs(first, second, step)
                yield Parting(kind, step, before, size, where, one, two)
                break
            before = step


def _size(one: Any, two: Any) -> tuple[float | None, str | None]:
    """Return the largest difference, and of which part."""
    if isinstance(one, Mapping):
        sizes = {part: abs(one[part] - two[part]) for part in one if part in two}
        part = max(sizes, key=lambda name: sizes[name], default=None)
        return (None, None) if part is None else (sizes[part], part)
    return (abs(one - two), None) if isinstance(one, int | float) else (None, None)


def _source_that_differs(first: Record, second: Record, step: int) -> str | None:
    """Return the source whose loss differs most, if both have it of the same steps and any differs."""
    if _summed_since(first, step) != _summed_since(second, step):
        return None
    one, two = first.steps[step]["losses"], second.steps[step]["losses"]
    size, source = _size(one, two)
    return source if size else None


def _summed_since(record: Record, step: int) -> int:
    """Return the step after which a line's losses of sources begin: the line's before, or a start's."""
    steps = sorted({0, *record.steps})
    line_before = steps[bisect_left(steps, step) - 1]
    return max(line_before, *(start["step"] for start in record.starts if start["step"] < step), 0)


def _outcomes(first: Kept, second: Kept) -> Iterator[Parting]:
    """Yield how finished runs differ in where they ended, and in what they learned."""
    if first.last_step is None or second.last_step is None:
        return
    end = min(first.last_step, second.last_step)
    if first.last_step != second.last_step:
        size = float(abs(first.last_step - second.last_step))
        yield Parting(Kind.end, end, None, size, None, first.last_step, second.last_step)
    one, two = first.weights(), second.weights()
    if one != two:
        parts = [part for part in {**one, **two} if one.get(part) != two.get(part)]
        hashes = [{part: hashes.get(part) for part in parts} for hashes in (one, two)]
        yield Parting(Kind.weights, end, None, None, ", ".join(parts), *hashes)
