"""Which differences of a sweep are real.

The rule. A difference of a benchmark's headline between a row and its baseline is real if, both,

1. its p-value, adjusted by Holm's method over all comparisons of the table, is below 0.05;
2. it exceeds the noise floor: what other seeds alone make of a difference of two such means in 95 of 100
   cases, by the t distribution and the spread of seeds, pooled over all rows that have several.

The p-value that is adjusted is the larger of two. That of the questions is by a paired test: McNemar's exact
test where answers are right or wrong and each is about a picture of its own; else a permutation test in which
the two sides' answers to all questions about a picture change places. That of the seeds is by the same t
distribution as the noise floor: so the whole table, too, is held to it, and not one comparison after another.
Where no row has several seeds, there is but the first, and the difference is that of these runs, not of what
they were asked to be.

Everything else is inside the noise, however large it looks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from vlm.study.comparison.answered import Answered, mean_score
from vlm.study.comparison.rows import Row
from vlm.study.statistics.counts import Counts, Metric
from vlm.study.statistics.noise import Noise, pool
from vlm.study.statistics.paired import ALPHA, Pair, detectable, mcnemar
from vlm.study.statistics.several import holm

RESAMPLES = 10_000
"""Of intervals and permutation tests; the lowest p that these can give is one in so many."""
RULE = (
    "A difference is real (bold) if its p, adjusted by Holm's method over the whole table, is below 0.05 and "
    "it exceeds the noise floor, which other seeds alone would exceed in 5 of 100 cases. Everything else is "
    "inside the noise. Adjusted is the larger p of two: that of a test paired by question, and that of the "
    "spread of seeds. Intervals are 95 %, bootstrapped over pictures. "
    "Detectable: the smallest true difference that is found with 80 % power."
)
UNKNOWN_FLOOR = (
    "No row has several seeds, so the noise floor is not known: a real difference is one between these runs, "
    "and another seed might undo it; repeat the sweep with seed=1,2,3."
)


@dataclass(frozen=True)
class Comparison:
    """One row against its baseline, by one benchmark; all in the metric's own unit.

    Args:
        benchmark: Its name.
        metric: The headline, or `mean score` where the headline cannot be resampled.
        row: Label.
        baseline: Label of what it is compared with.
        difference: The row's mean less the baseline's.
        interval: 95 %, over pictures.
        test: What p is by.
        p: Of the questions, two-sided.
        seed_p: Of the spread of seeds, two-sided; None if nothing was repeated.
        adjusted: Holm's, over the table, of the larger of the two.
        detectable: The smallest true difference found with 80 % power at 0.05, unadjusted.
        seeds: Of the baseline and of the row.
        floor: The noise floor; None if nothing was repeated.
    """

    benchmark: str
    metric: str
    row: str
    baseline: str
    difference: float
    interval: tuple[float, float]
    test: str
    p: float
    seed_p: float | None
    adjusted: float
    detectable: float
    seeds: tuple[int, int]
    floor: float | None

    @property
    def is_real(self) -> bool:
        """By the rule of this page."""
        above = self.floor is None or abs(self.difference) > self.floor
        return self.adjusted < ALPHA and above

    @property
    def seed_interval(self) -> tuple[float, float] | None:
        """95 % t interval of the difference over seeds."""
        if self.floor is None:
            return None
        return self.difference - self.floor, self.difference + self.floor

    @property
    def verdict(self) -> str:
        """In words."""
        if self.is_real:
            return "real" if self.floor is not None else "real, of these runs"
        if self.p < ALPHA and self.floor is not None and abs(self.difference) <= self.floor:
            return "inside the noise of seeds"
        return "inside the noise"


@dataclass(frozen=True)
class Findings:
    """What a sweep says.

    Args:
        comparisons: By benchmark, in the order of rows.
        noise: Of each benchmark that something was repeated of.
        notes: What could not be compared, or not by the headline, and why.
    """

    comparisons: list[Comparison]
    noise: dict[str, Noise]
    notes: list[str]

    def of(self, benchmark: str, row: str) -> Comparison | None:
        """Return a row's comparison, if there is one."""
        return next((c for c in self.comparisons if (c.benchmark, c.row) == (benchmark, row)), None)


def compare(
    rows: Sequence[Row],
    baselines: Mapping[int, int],
    answers: Mapping[str, Mapping[int, Answered | str]],
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Findings:
    """Compare every row with its baseline by every benchmark.

    Args:
        rows: Of the sweep.
        baselines: For each row that is compared, the row that it is compared with.
        answers: By benchmark, of each cell by its number: what it answered, or why nobody knows.
        resamples: Of intervals and permutation tests.
        seed: Of the resamples.
    """
    found, noise, notes = [], {}, []
    for benchmark, cells in answers.items():
        asked = {number: cell for number, cell in cells.items() if isinstance(cell, Answered)}
        reasons = dict.fromkeys(cell for cell in cells.values() if isinstance(cell, str))
        notes += [f"{benchmark}: not all can be compared: {reason}" for reason in reasons]
        field = _Field(benchmark, rows, asked)
        notes += field.notes
        if field.noise:
            noise[benchmark] = field.noise
        for number, base in baselines.items():
            try:
                found += field.compare(base, number, resamples, seed)
            except ValueError as error:
                notes.append(f"{benchmark}: {rows[number].label} and {rows[base].label}: {error}")
    adjusted = holm([max(comparison.p, comparison.seed_p or 0.0) for comparison in found])
    comparisons = [replace(c, adjusted=p) for c, p in zip(found, adjusted, strict=True)]
    if comparisons and any(comparison.floor is None for comparison in comparisons):
        notes.append(UNKNOWN_FLOOR)
    return Findings(comparisons, noise, notes)


class _Field:
    """One benchmark, and what every row answered to it.

    Args:
        benchmark: Its name.
        rows: Of the sweep.
        asked: What cells answered, by their numbers.
    """

    def __init__(self, benchmark: str, rows: Sequence[Row], asked: Mapping[int, Answered]) -> None:
        self.benchmark, self.rows, self.asked = benchmark, rows, asked
        lacking = [answered for answered in asked.values() if answered.counts is None]
        self.by_headline = not lacking
        self.notes = []
        if lacking and not all(answered.is_mean for answered in asked.values()):
            self.notes.append(
                f"{benchmark}: compared by the mean score of its questions, not by {lacking[0].headline}: "
                f"{lacking[0].why_not}"
            )
        self.values = {number: self._value(answered) for number, answered in asked.items()}
        self.noise = pool(
            [self.values[number] for number in row.numbers if number in self.values] for row in rows
        )

    def _value(self, answered: Answered) -> float:
        return answered.kept if self.by_headline else float(answered.scores.mean())

    def _metric(self, answered: Answered) -> Metric:
        if self.by_headline:
            assert answered.metric
            return answered.metric
        return mean_score

    def _counts(self, several: Sequence[Answered]) -> Counts:
        """Return the mean over seeds.

        Raises:
            ValueError: They were not asked the same questions.
        """
        kept = [answered.counts for answered in several if answered.counts]
        return Counts.mean(kept if self.by_headline else [answered.plain for answered in several])

    def compare(self, base: int, number: int, resamples: int, seed: int) -> list[Comparison]:
        """Return the comparison of two rows; none if one of them has no answers.

        Raises:
            ValueError: They were not asked the same questions.
        """
        numbers = [[n for n in self.rows[row].numbers if n in self.asked] for row in (base, number)]
        if not all(numbers):
            return []
        first, second = ([self.asked[n] for n in side] for side in numbers)
        if len({answered.keys for answered in (*first, *second)}) > 1:
            raise ValueError("they were not asked the same questions; ask both again")
        pair = Pair(self._counts(first), self._counts(second), self._metric(first[0]))
        means = [fmean(self.values[n] for n in side) for side in numbers]
        difference, seeds = means[1] - means[0], (len(first), len(second))
        test, p = _test(first, second, pair, resamples, seed)
        is_named = self.by_headline or first[0].is_mean
        return [
            Comparison(
                benchmark=self.benchmark,
                metric=first[0].headline if is_named else "mean score",
                row=self.rows[number].label,
                baseline=self.rows[base].label,
                difference=difference,
                interval=pair.interval(resamples, seed),
                test=test,
                p=p,
                seed_p=self.noise.p(difference, *seeds) if self.noise else None,
                adjusted=p,
                detectable=detectable(pair.standard_error()),
                seeds=seeds,
                floor=self.noise.floor(*seeds) if self.noise else None,
            )
        ]


def _test(
    first: Sequence[Answered], second: Sequence[Answered], pair: Pair, resamples: int, seed: int
) -> tuple[str, float]:
    """Return the name of the test that fits, and its p."""
    if len(first) == len(second) == 1 and first[0].is_binary and second[0].is_binary:
        return "McNemar, exact", mcnemar(first[0].scores, second[0].scores)
    return "permutation", pair.swap_test(resamples, seed)
