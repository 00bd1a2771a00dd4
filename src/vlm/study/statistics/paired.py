"""Two models that answered the same questions: how far apart they are, and how surely.

Everything is resampled by cluster, the questions about one picture together, and on both sides alike; so a
question that is hard for both adds nothing to the error of their difference. The metric may be any function
of sums, such as F1 or MME's points: it is taken of each draw anew.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import stats

from vlm.benchmark.tally import Column
from vlm.study.statistics.counts import Counts, Metric, Table

ALPHA = 0.05
POWER = 0.8
AT_ONCE = 2**22
"""Entries of the matrix of draws that are held at once, 32 MB."""
EQUAL = 1e-9
"""Differences that are so close are the same, whatever the order of sums."""


@dataclass(frozen=True)
class Pair:
    """Both sides; a difference is the second's metric less the first's.

    Args:
        first: What is compared with.
        second: What is compared.
        metric: What they are compared by.

    Raises:
        ValueError: They were not asked the same questions.
    """

    first: Counts
    second: Counts
    metric: Metric

    def __post_init__(self) -> None:
        self.first.require_same(self.second)

    @property
    def difference(self) -> float:
        """Of all questions."""
        return self.second.value(self.metric) - self.first.value(self.metric)

    def _differences(self, first: Table, second: Table) -> Column:
        """Return the differences of draws; one that drew no question of a kind may have none and is NaN."""
        return self.second.read(second, self.metric) - self.first.read(first, self.metric)

    def bootstrap(self, resamples: int, seed: int) -> Column:
        """Return the differences in as many draws of the clusters with replacement."""
        size, generator = len(self.first.clusters), np.random.default_rng(seed)
        found = []
        for number in _portions(resamples, size):
            drawn = generator.integers(size, size=(number, size)) + size * np.arange(number)[:, None]
            times = np.bincount(drawn.ravel(), minlength=number * size).reshape(number, size)
            weights = times.astype(np.float64)
            found.append(self._differences(weights @ self.first.table, weights @ self.second.table))
        return np.concatenate(found)

    def interval(self, resamples: int, seed: int) -> tuple[float, float]:
        """Return the ends of the 95 % interval of the difference (percentile bootstrap)."""
        draws = self.bootstrap(resamples, seed)
        kept = draws[~np.isnan(draws)]
        if not len(kept):
            return float("nan"), float("nan")
        low, high = np.percentile(kept, [100 * ALPHA / 2, 100 * (1 - ALPHA / 2)])
        return float(low), float(high)

    def swap_test(self, resamples: int, seed: int) -> float:
        """Return the two-sided p of the null hypothesis that both sides answer alike.

        If they do, the two sides' answers to a cluster may change places; p is the share of such exchanges
        that make as large a difference (the paired permutation test of Fisher and Pitman). All exchanges are
        tried where there are no more than `resamples`, else so many are drawn, and the one that is the case
        is counted among them.
        """
        exchanged = self.second.table - self.first.table
        differing = exchanged[np.any(exchanged != 0, axis=1)]  # to exchange equals changes nothing
        if not len(differing):
            return 1.0
        totals = (counts.table.sum(axis=0, keepdims=True) for counts in (self.first, self.second))
        first, second = totals
        extreme, whole = abs(self.difference) - EQUAL, 2 ** len(differing) <= resamples
        as_far, number = (0, 0) if whole else (1, 1)
        for places in _exchanges(len(differing), resamples, whole, seed):
            moved = places @ differing
            draws = self._differences(first + moved, second - moved)
            kept = draws[~np.isnan(draws)]
            as_far, number = as_far + int((np.abs(kept) >= extreme).sum()), number + len(kept)
        return as_far / number

    def standard_error(self) -> float:
        """Return that of the difference, from what leaving out each cluster does to it (jackknife).

        Of a mean over questions that are each a cluster it is the usual one, the deviation of the paired
        differences over the root of their number.
        """
        totals = [counts.table.sum(axis=0, keepdims=True) for counts in (self.first, self.second)]
        left = self._differences(totals[0] - self.first.table, totals[1] - self.second.table)
        kept = left[~np.isnan(left)]
        if len(kept) < 2:
            return float("nan")
        return float(np.sqrt((len(kept) - 1) / len(kept) * ((kept - kept.mean()) ** 2).sum()))


def _portions(number: int, size: int) -> Iterator[int]:
    """Yield how many draws of so many clusters to make at once, until all are made."""
    most = max(1, AT_ONCE // max(1, size))
    for first in range(0, number, most):
        yield min(most, number - first)


def _exchanges(size: int, resamples: int, whole: bool, seed: int) -> Iterator[Table]:
    """Yield portions of exchanges: in each row, 1 for a cluster whose sides change places."""
    generator, done = np.random.default_rng(seed), 0
    for number in _portions(2**size if whole else resamples, size):
        if whole:
            numbers = np.arange(done, done + number)[:, None]
            yield ((numbers >> np.arange(size)) & 1).astype(np.float64)
        else:
            yield generator.integers(2, size=(number, size), dtype=np.int8).astype(np.float64)
        done += number


def mcnemar(first: Column, second: Column) -> float:
    """Return the exact two-sided p of McNemar's test: of the questions that one side alone got right.

    Args:
        first: 0 or 1 for each question.
        second: The same questions'.
    """
    better, worse = int((second > first).sum()), int((second < first).sum())
    if not better + worse:
        return 1.0
    return float(stats.binomtest(better, better + worse).pvalue)


def detectable(standard_error: float, alpha: float = ALPHA, power: float = POWER) -> float:
    """Return the smallest true difference that a two-sided test finds with this power, by the normal law."""
    return float((stats.norm.isf(alpha / 2) + stats.norm.ppf(power)) * standard_error)
