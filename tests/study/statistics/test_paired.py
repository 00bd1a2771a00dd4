"""Paired statistics agree with scipy's on cases that it can do, and keep what they promise."""

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from vlm.benchmark.tally import Tally, ratio
from vlm.study.statistics.counts import Counts
from vlm.study.statistics.paired import Pair, detectable, mcnemar

Numbers = NDArray[np.float64]


def mean_score(sums: Mapping[str, Numbers]) -> Numbers:
    return ratio(sums["score"], sums["count"])


def counts(scores: Numbers, clusters: list[str] | None = None) -> Counts:
    names = clusters or [f"{number:06d}" for number in range(len(scores))]
    return Counts.of(Tally(names, {"score": scores, "count": np.ones(len(scores))}))


def pair(first: Numbers, second: Numbers, clusters: list[str] | None = None) -> Pair:
    return Pair(counts(first, clusters), counts(second, clusters), mean_score)


@pytest.fixture
def grades() -> tuple[Numbers, Numbers]:
    generator = np.random.default_rng(3)
    first = generator.normal(size=11)
    return first, first + generator.normal(0.4, 0.6, size=11)


def test_the_permutation_test_is_scipys(grades: tuple[Numbers, Numbers]) -> None:
    first, second = grades
    told = stats.permutation_test(
        (second, first), lambda x, y: x.mean() - y.mean(), permutation_type="samples", n_resamples=np.inf
    )
    assert pair(first, second).swap_test(10_000, seed=0) == pytest.approx(told.pvalue, abs=1e-12)
    drawn = pair(first, second).swap_test(2000, seed=0)  # fewer than the 2,048 exchanges: some are drawn
    assert drawn == pytest.approx(told.pvalue, abs=0.02)
    assert drawn != told.pvalue


def test_the_permutation_test_of_rights_and_wrongs_is_mcnemars() -> None:
    generator = np.random.default_rng(5)
    first = generator.integers(2, size=60).astype(float)
    second = first.copy()
    second[:10] = 1 - second[:10]
    better, worse = int((second > first).sum()), int((second < first).sum())
    exact = mcnemar(first, second)
    assert exact == stats.binomtest(better, better + worse).pvalue
    assert pair(first, second).swap_test(10_000, seed=0) == pytest.approx(exact, abs=1e-12)


def test_equal_answers_are_equal() -> None:
    scores = np.array([0.0, 1.0, 1.0])
    assert mcnemar(scores, scores) == 1
    assert pair(scores, scores).swap_test(100, 0) == 1
    assert pair(scores, scores).interval(100, 0) == (0, 0)
    assert pair(scores, scores).standard_error() == 0


def test_the_standard_error_is_that_of_a_paired_t_test(grades: tuple[Numbers, Numbers]) -> None:
    first, second = grades
    told = stats.ttest_rel(second, first)
    found = pair(first, second)
    assert found.difference / found.standard_error() == pytest.approx(told.statistic)


def test_the_bootstraps_spread_is_the_standard_error() -> None:
    generator = np.random.default_rng(1)
    names = [f"{number % 150}" for number in range(600)]
    easy = np.repeat(generator.normal(size=150)[None], 4, axis=0).ravel()
    first, second = (easy + generator.normal(size=600) for _ in range(2))
    found = pair(first, second, names)
    assert found.bootstrap(4000, seed=2).std() == pytest.approx(found.standard_error(), rel=0.05)
    low, high = found.interval(4000, seed=2)
    assert low < found.difference < high
    assert high - low == pytest.approx(2 * 1.96 * found.standard_error(), rel=0.07)


def test_questions_of_a_picture_count_together() -> None:
    generator = np.random.default_rng(7)
    first, second = (generator.integers(2, size=40).astype(float) for _ in range(2))
    five = [np.repeat(scores, 5) for scores in (first, second)]
    names = [f"{number}" for number in range(40) for _ in range(5)]
    alone, together = pair(first, second), pair(*five, names)
    assert together.standard_error() == pytest.approx(alone.standard_error())
    assert together.interval(500, 0) == pytest.approx(alone.interval(500, 0), abs=0.06)
    assert pair(*five).standard_error() < 0.5 * together.standard_error()


def test_a_metric_that_is_no_mean_is_taken_of_every_draw_anew() -> None:
    generator = np.random.default_rng(2)
    true, said = (generator.integers(2, size=(2, 300)).astype(float) for _ in range(2))

    def sums(number: int) -> Counts:
        columns = {"said": said[number], "true": true[0], "both": said[number] * true[0]}
        return Counts.of(Tally([f"{n:03d}" for n in range(300)], columns))

    def f1(found: Mapping[str, Numbers]) -> Numbers:
        return ratio(2 * found["both"], found["said"] + found["true"])

    found = Pair(sums(0), sums(1), f1)
    generator = np.random.default_rng(9)
    by_hand = []
    for _ in range(2000):
        drawn = generator.integers(300, size=300)
        each = [
            2 * (said[n] * true[0])[drawn].sum() / (said[n][drawn].sum() + true[0][drawn].sum())
            for n in (0, 1)
        ]
        by_hand.append(each[1] - each[0])
    assert found.bootstrap(2000, seed=4).std() == pytest.approx(np.std(by_hand), rel=0.08)
    assert found.standard_error() == pytest.approx(np.std(by_hand), rel=0.08)


def test_a_kind_that_a_draw_misses_is_no_error() -> None:
    def halves(sums: Mapping[str, Numbers]) -> Numbers:
        both = [ratio(sums[f"score/{kind}"], sums[f"count/{kind}"]) for kind in "ab"]
        return np.mean(both, axis=0)

    def of(scores: list[float]) -> Counts:
        columns = {f"score/{kind}": np.array(scores) * mine for kind, mine in
                   (("a", np.array([1.0, 0, 0, 0])), ("b", np.array([0.0, 1, 1, 1])))}  # fmt: skip
        columns |= {"count/a": np.array([1.0, 0, 0, 0]), "count/b": np.array([0.0, 1, 1, 1])}
        return Counts.of(Tally(["1", "2", "3", "4"], columns))

    found = Pair(of([0, 0, 1, 0]), of([1, 1, 1, 0]), halves)
    assert np.isnan(found.bootstrap(200, 0)).any()
    low, high = found.interval(200, 0)
    assert 0 < low <= found.difference <= high
    assert np.isfinite(found.standard_error())


def test_memory_does_not_change_the_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(2)
    found = pair(generator.normal(size=50), generator.normal(size=50))
    exact = pair(found.first.table[:10, 1], found.second.table[:10, 1])
    before = found.bootstrap(64, 1), exact.swap_test(2000, 1)
    monkeypatch.setattr("vlm.study.statistics.paired.AT_ONCE", 100)
    assert len(found.bootstrap(64, 1)) == 64
    assert found.bootstrap(64, 1) == pytest.approx(before[0])
    assert exact.swap_test(2000, 1) == before[1]


def test_what_is_detectable_is_found_with_the_power_that_is_said() -> None:
    error = 0.01
    shift = detectable(error) / error
    power = stats.norm.sf(stats.norm.isf(0.025) - shift) + stats.norm.cdf(-stats.norm.isf(0.025) - shift)
    assert power == pytest.approx(0.8, abs=1e-4)
    assert detectable(error, power=0.9) > detectable(error)
    assert detectable(error, alpha=0.01) > detectable(error)


def test_other_questions_are_refused() -> None:
    with pytest.raises(ValueError, match="same questions"):
        Pair(counts(np.ones(3)), counts(np.ones(4)), mean_score)
    with pytest.raises(ValueError, match="same questions"):
        Counts.mean([counts(np.ones(3)), counts(np.ones(4))])


def test_the_mean_of_seeds_is_the_mean_of_their_scores() -> None:
    generator = np.random.default_rng(2)
    several = [counts(generator.normal(size=20)) for _ in range(3)]
    mean = Counts.mean(several).value(mean_score)
    assert mean == pytest.approx(np.mean([one.value(mean_score) for one in several]))


def test_identical_models_are_called_different_by_f1_as_rarely_as_is_said() -> None:
    def f1(found: Mapping[str, Numbers]) -> Numbers:
        return ratio(2 * found["both"], found["said"] + found["true"])

    generator, names = np.random.default_rng(11), [f"{n // 3}" for n in range(300)]
    alarms = 0
    for _ in range(400):
        true = generator.integers(2, size=300).astype(float)
        knows = np.repeat(generator.beta(1.2, 0.5, 100), 3)
        sides = []
        for _ in range(2):
            said = np.where(generator.random(300) < knows, true, 1 - true)
            sides.append(Counts.of(Tally(names, {"said": said, "true": true, "both": said * true})))
        alarms += Pair(*sides, f1).swap_test(400, seed=0) < 0.05
    assert 0.02 <= alarms / 400 <= 0.06


def test_many_pictures_are_a_t_test() -> None:
    generator = np.random.default_rng(3)
    first = generator.normal(size=4000)
    second = first + generator.normal(0.02, 0.6, size=4000)
    told = stats.ttest_rel(second, first).pvalue
    assert 0.01 < told < 0.2
    assert pair(first, second).swap_test(4000, seed=1) == pytest.approx(told, abs=0.015)
