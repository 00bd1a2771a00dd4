"""The label gate: before the first step, every source must show that something right is learned from it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlm.data.measure import Measures
from vlm.data.sample import FaultySampleError

NUM_SHARDS = 4
"""Looked at, of each source: a shard is measured whole, and a remote one is fetched."""
REMEDIES = {
    "record": "mend the records and pack them again",
    "picture": "pack the source again with 'vlm data pack', which checks every picture",
    "overflow": "raise llm.context_length={limit}, or choose a projector of fewer tokens",
    "nothing": "raise llm.context_length={limit}, or look: vlm data inspect",
    "shard": "copy or pack the shard again",
    "cut": "raise llm.context_length={limit}",
    "mismatch": "choose the template that the tokenizer was taught: vlm data inspect shows what is learned",
}
"""What to do about each kind of fault; and about answers that are cut off, and learned text that is not the
answers'."""


@dataclass(frozen=True)
class SourceReport:
    """What was seen of a source.

    Args:
        name: Of the source.
        seen: Samples looked at.
        tokens: Mean of a sample, with visual ones.
        learned: Mean of a sample.
        faults: Samples of each kind of `REMEDIES`.
        first: The first faulty sample's number, by kind.
        limit: The context, in tokens.
    """

    name: str
    seen: int
    tokens: float
    learned: float
    faults: Mapping[str, int]
    first: Mapping[str, int]
    limit: int

    def complaint(self, tolerance: float) -> str | None:
        """Return what is wrong, if more samples than the share `tolerance` are."""
        count = sum(self.faults.values())
        if count <= tolerance * self.seen:
            return None
        worst = max(self.faults, key=lambda kind: self.faults[kind])
        said = ", ".join(f"{count} {kind}" for kind, count in self.faults.items() if count)
        remedy = REMEDIES[worst].format(limit=self.limit)
        return (
            f"mixture.{self.name}: {count} of {self.seen} samples teach nothing, or the wrong thing ({said}; "
            f"the first is number {self.first[worst]}); {remedy}, or set trainer.gate.tolerance"
        )


def look(measures: Measures, num_samples: int) -> SourceReport:
    """Look at samples spread evenly over a few shards, which are spread evenly over the source."""
    shards = measures.reader.shards
    chosen = spread(0, len(shards.shard_sizes), NUM_SHARDS)
    share = -(-num_samples // len(chosen))
    numbers = np.concatenate(
        [spread(int(shards.starts[shard]), int(shards.starts[shard + 1]), share) for shard in chosen]
    )
    rows = measures[numbers]
    found: dict[str, Any] = {
        kind: rows["fault"] == place for place, kind in enumerate(FaultySampleError.KINDS, start=1)
    }
    found |= {"cut": rows["lost"] > 0, "mismatch": rows["mismatched"] > 0}
    return SourceReport(
        shards.name, len(rows), float(rows["tokens"].mean()), float(rows["learned"].mean()),
        faults={kind: int(which.sum()) for kind, which in found.items()},
        first={kind: int(numbers[which][0]) for kind, which in found.items() if which.any()},
        limit=measures.reader.context_length,
    )  # fmt: skip


def spread(start: int, stop: int, count: int) -> NDArray[np.int64]:
    """Return at most `count` numbers from `start` to before `stop`, at even distances."""
    return np.unique(np.linspace(start, stop - 1, min(count, stop - start)).astype(np.int64))


def check(reports: Sequence[SourceReport], tolerance: float) -> None:
    """Stop what would teach nothing.

    Raises:
        ValueError: Too many samples of a source are faulty; the message names each such source.
    """
    complaints = [complaint for report in reports if (complaint := report.complaint(tolerance))]
    if complaints:
        raise ValueError("; and ".join(complaints))


def describe(reports: Sequence[SourceReport]) -> Iterator[str]:
    """Yield a table, a source a line."""
    if not reports:
        return
    width = max(len("source"), *(len(report.name) for report in reports))
    yield f"  {'source':<{width}} {'seen':>6} {'tokens':>8} {'learned':>8}  faulty"
    for report in reports:
        faults = ", ".join(f"{count} {kind}" for kind, count in report.faults.items() if count) or "none"
        figures = f"{report.seen:>6} {report.tokens:>8.1f} {report.learned:>8.1f}"
        yield f"  {report.name:<{width}} {figures}  {faults}"
