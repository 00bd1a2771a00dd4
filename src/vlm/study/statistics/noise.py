"""How far runs come apart that differ in nothing but their seed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from vlm.study.statistics.paired import ALPHA


@dataclass(frozen=True)
class Noise:
    """The spread that other seeds make, taken to be the same everywhere in a sweep.

    Args:
        deviation: Of one run, in the metric's unit: pooled over all that was repeated.
        freedom: Degrees of freedom: runs, less what they repeat.
    """

    deviation: float
    freedom: int

    def floor(self, first: int, second: int) -> float:
        """Return the difference of two means that other seeds alone exceed in 5 of 100 cases.

        It is half the width of the seeds' t interval of the difference, so a difference above it has an
        interval without 0.

        Args:
            first: Seeds in the one mean.
            second: In the other.
        """
        return self._half_width(1 / first + 1 / second)

    def interval(self, mean: float, seeds: int) -> tuple[float, float]:
        """Return the 95 % t interval of a mean of so many seeds."""
        half = self._half_width(1 / seeds)
        return mean - half, mean + half

    def p(self, difference: float, first: int, second: int) -> float:
        """Return the two-sided p of a difference of two means of so many seeds, by the t distribution."""
        error = self.deviation * np.sqrt(1 / first + 1 / second)
        if not error:  # every seed gave the same
            return float(not difference)
        return float(2 * stats.t.sf(abs(difference) / error, self.freedom))

    def _half_width(self, variance: float) -> float:
        return float(stats.t.isf(ALPHA / 2, self.freedom) * self.deviation * np.sqrt(variance))


def pool(repeats: Iterable[Sequence[float]]) -> Noise | None:
    """Return the pooled spread; None where nothing was repeated.

    Args:
        repeats: Scores of runs that differ in their seed only, one group after another.
    """
    groups = [np.asarray(group, dtype=np.float64) for group in repeats if len(group) > 1]
    freedom = sum(len(group) - 1 for group in groups)
    if not freedom:
        return None
    squares = sum(float(((group - group.mean()) ** 2).sum()) for group in groups)
    return Noise(float(np.sqrt(squares / freedom)), freedom)
