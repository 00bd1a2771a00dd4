"""What the steps of a stage spend, before any is taken: by the lengths that samples really have."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count

from vlm.data.steps import StepDataset

MOST_STEPS = 10_000_000
"""More than anybody takes: an amount that pays for more is a slip of a unit."""


@dataclass(frozen=True)
class RowContent:
    """What one row holds.

    Args:
        num_tiles: Of its pictures.
        lengths: Tokens of each document, visual ones and padding among them.
        num_supervised: Tokens that are learned.
        num_visual: Visual tokens.
    """

    num_tiles: int
    lengths: Sequence[int]
    num_supervised: int
    num_visual: int


Cost = Callable[[RowContent], int | float]


def row_contents(dataset: StepDataset, step: int) -> Iterator[RowContent]:
    """Yield what each row of a step holds; samples that teach nothing are in none."""
    for places in dataset.rows(step):
        measures = dataset.measure(places)
        sound = measures[measures["fault"] == 0]
        lengths = [int(length) for length in sound["tokens"]]
        if dataset.batching.mode != "packed":
            lengths = [max(lengths, default=0)] * len(lengths)
        filler = dataset.row_size - sum(lengths)
        sums = (int(sound[name].sum()) for name in ("tiles", "learned", "visual"))
        num_tiles, num_supervised, num_visual = sums
        yield RowContent(num_tiles, lengths + [filler] * (filler > 0), num_supervised, num_visual)


def steps_within(dataset: StepDataset, cost: Cost, amount: int | float, most: int | None = None) -> int:
    """Return the number of steps, from the first on, whose cost comes nearest to an amount; at least one.

    Args:
        dataset: Of more steps than that.
        cost: Of a row.
        amount: In the cost's unit.
        most: Steps; None is `MOST_STEPS`.

    Raises:
        ValueError: The amount is less than half of the first step, or pays for more than `MOST_STEPS`.
    """
    spent = 0.0
    for step in count():
        if step == most:
            return step
        if step == MOST_STEPS:
            raise ValueError(f"budget.amount={amount:g} pays for more than {step} steps; look at its unit")
        before, spent = spent, spent + sum(map(cost, row_contents(dataset, step)))
        if spent >= amount:
            nearest = step + (spent - amount < amount - before)
            if not nearest:
                raise ValueError(
                    f"budget.amount={amount:g} pays for no step: the first costs {spent:.3g}; raise it"
                )
            return nearest
    raise AssertionError("steps have no end")
