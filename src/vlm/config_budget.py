"""The schema of what a stage may spend, and of how its learning rates are found."""

from dataclasses import dataclass, field

from vlm.limits import limited
from vlm.values import Spending


@dataclass
class Budget:
    """What the outermost stage may spend, in the place of the steps or epochs that it says."""

    of: Spending | None = None
    """Null: it takes its steps or epochs."""
    amount: float | None = limited(None, above=0)
    """Of `of`; the stage takes the whole number of steps that comes nearest."""


@dataclass
class Tuning:
    """Short trainings of the outermost stage that find its learning rates."""

    factors: list[float] = field(default_factory=list)
    """What every learning rate of the stage is tried times; none tries nothing."""
    fraction: float = limited(0.05, above=0, most=1)
    """Of the stage's steps, that each of them takes."""
