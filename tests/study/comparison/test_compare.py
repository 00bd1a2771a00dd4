"""Simulated sweeps: what is the same is called different as rarely as is said, and what differs is found."""

from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from vlm.study.comparison.answered import Answered, mean_score
from vlm.study.comparison.compare import UNKNOWN_FLOOR, Comparison, Findings, compare
from vlm.study.comparison.rows import choose_baselines, fold
from vlm.study.outcome import Outcome
from vlm.study.statistics.counts import Counts

Numbers = NDArray[np.float64]


@cache
def names(size: int, each: int) -> tuple[str, ...]:
    return tuple(f"{number // each:06d}" for number in range(size))


def answered(scores: Numbers, each: int = 1) -> Answered:
    """Answers to questions of which so many are about each picture."""
    keys, clusters = names(len(scores), 1), names(len(scores), each)
    by_cluster = scores.reshape(-1, each).sum(axis=1)
    table = np.stack([np.full(len(by_cluster), float(each)), by_cluster], axis=1)
    counts = Counts(names(len(by_cluster), 1), ("count", "score"), table)
    return Answered("accuracy", keys, clusters, scores, float(scores.mean()), counts, mean_score)


def sweep(rows: Sequence[Sequence[Answered]], resamples: int = 200) -> Findings:
    """Compare rows of seeds."""
    cells = [
        Outcome([f"a={row}", f"seed={seed}"], headlines={"pope": "accuracy"})
        for row, seeds in enumerate(rows)
        for seed in range(len(seeds))
    ]
    folded = fold(cells)
    said = dict(enumerate(answers for seeds in rows for answers in seeds))
    return compare(folded, choose_baselines(folded, None), {"pope": said}, resamples)


def draw(generator: np.random.Generator, easy: Numbers, skill: float = 0.0) -> Numbers:
    return (generator.random(len(easy)) < np.clip(easy + skill, 0, 1)).astype(float)


def easiness(generator: np.random.Generator, pictures: int, each: int = 1) -> Numbers:
    """Chances of a right answer: some questions are hard for all, and those of one picture alike."""
    return np.repeat(generator.beta(1.2, 0.5, pictures), each)


def share_of_alarms(simulate: object, times: int) -> float:
    """Simulate tables of what is the same; in 2,000 of them at most 5 % may say that something differs."""
    generator = np.random.default_rng(20)
    found = [any(c.is_real for c in simulate(generator).comparisons) for _ in range(times)]  # type: ignore[operator]
    share = sum(found) / times
    assert share <= (0.05 if times >= 2000 else 0.06)
    return share


REPEATED = pytest.mark.parametrize("times", [200, pytest.param(2000, marks=pytest.mark.slow)])


@REPEATED
def test_identical_models_of_single_questions(times: int) -> None:
    def simulate(generator: np.random.Generator) -> Findings:
        easy = easiness(generator, 500)
        return sweep([[answered(draw(generator, easy))] for _ in range(4)], resamples=10)

    share_of_alarms(simulate, times)


@REPEATED
def test_identical_models_whose_questions_share_pictures(times: int) -> None:
    def simulate(generator: np.random.Generator) -> Findings:
        # Each model finds some pictures hard, so its answers to one go together.
        easy = [
            np.clip(easiness(generator, 120, 3) + np.repeat(generator.normal(0, 0.3, 120), 3), 0, 1)
            for _ in range(2)
        ]
        return sweep([[answered(draw(generator, one), 3)] for one in easy], resamples=400)

    assert share_of_alarms(simulate, times) >= 0.02  # a test that never speaks would pass otherwise


@REPEATED
def test_identical_settings_whose_seeds_differ(times: int) -> None:
    """To the paired test, two seeds are two models, which do differ: only the noise floor keeps it quiet."""
    significant = []

    def simulate(generator: np.random.Generator) -> Findings:
        easy = easiness(generator, 2000)
        rows = [
            [answered(draw(generator, easy, generator.normal(0, 0.03))) for _ in range(3)] for _ in range(2)
        ]
        findings = sweep(rows, resamples=100)
        significant.append(findings.comparisons[0].p < 0.05)
        return findings

    share_of_alarms(simulate, times)
    assert np.mean(significant) > 0.3


@REPEATED
def test_a_whole_table_of_identical_settings_is_held_to_the_noise_of_seeds(times: int) -> None:
    def simulate(generator: np.random.Generator) -> Findings:
        easy = easiness(generator, 500)
        rows = [
            [answered(draw(generator, easy, generator.normal(0, 0.05))) for _ in range(2)] for _ in range(5)
        ]
        return sweep(rows, resamples=100)

    share_of_alarms(simulate, times)


@pytest.mark.parametrize("each", [1, 2])
def test_two_points_of_five_thousand_questions_are_found(each: int) -> None:
    generator = np.random.default_rng(4)
    found = []
    for _ in range(100):
        easy = easiness(generator, 5000 // each, each)
        same = draw(generator, easy)  # some answers do not depend on what was changed
        changed = generator.random(5000) < 0.7
        low, high = (np.where(changed, draw(generator, easy, skill), same) for skill in (-0.011, 0.018))
        found.append(sweep([[answered(low, each)], [answered(high, each)]], resamples=200))
    differences = [findings.comparisons[0].difference for findings in found]
    assert np.mean(differences) == pytest.approx(0.02, abs=0.002)
    assert np.mean([findings.comparisons[0].is_real for findings in found]) >= 0.8
    assert np.mean([findings.comparisons[0].detectable for findings in found]) < 0.02


@REPEATED
def test_the_interval_holds_the_truth(times: int) -> None:
    generator = np.random.default_rng(6)
    held = []
    for _ in range(times):
        easy = generator.uniform(0.3, 0.8, 400)
        first, second = draw(generator, easy), draw(generator, easy, 0.05)
        low, high = sweep([[answered(first)], [answered(second)]], 400).comparisons[0].interval
        held.append(low <= 0.05 <= high)
    tolerance = 0.02 if times >= 2000 else 0.04
    assert np.mean(held) == pytest.approx(0.95, abs=tolerance)


def test_p_is_adjusted_over_the_whole_table() -> None:
    generator = np.random.default_rng(8)
    easy = easiness(generator, 800)
    rows = [[answered(draw(generator, easy, skill))] for skill in (0.0, 0.04, 0.0, 0.02, 0.06)]
    findings = sweep(rows)
    p_values = sorted((c.p, c.adjusted) for c in findings.comparisons)
    assert p_values[0][1] == pytest.approx(min(1, 4 * p_values[0][0]))
    assert all(adjusted >= p for p, adjusted in p_values)


def test_a_difference_below_the_floor_is_noise_however_sure_the_test() -> None:
    comparison = Comparison(
        benchmark="pope", metric="f1", row="b", baseline="a", difference=0.02, interval=(0.01, 0.03),
        test="permutation", p=1e-4, seed_p=0.08, adjusted=0.08, detectable=0.01, seeds=(3, 3), floor=0.03,
    )  # fmt: skip
    assert not comparison.is_real
    assert comparison.verdict == "inside the noise of seeds"
    assert comparison.seed_interval == pytest.approx((-0.01, 0.05))
    above = Comparison(**{**vars(comparison), "difference": -0.04, "seed_p": 0.01, "adjusted": 0.02})
    assert above.is_real
    assert above.verdict == "real"
    unsure = Comparison(**{**vars(above), "adjusted": 0.06})
    assert unsure.verdict == "inside the noise"
    once = Comparison(**{**vars(above), "floor": None, "seed_p": None})
    assert once.verdict == "real, of these runs"
    assert once.seed_interval is None


def test_an_unknown_floor_is_said() -> None:
    generator = np.random.default_rng(8)
    easy = easiness(generator, 50)
    once = sweep([[answered(draw(generator, easy))] for _ in range(2)])
    assert UNKNOWN_FLOOR in once.notes
    assert once.noise == {}
    twice = sweep([[answered(draw(generator, easy)) for _ in range(2)], [answered(draw(generator, easy))]])
    assert twice.notes == []
    assert twice.noise["pope"].freedom == 1
    assert twice.comparisons[0].seeds == (2, 1)
    assert twice.comparisons[0].test == "permutation"


def test_other_questions_are_not_compared() -> None:
    generator = np.random.default_rng(8)
    rows = [[answered(draw(generator, easiness(generator, size)))] for size in (50, 60)]
    findings = sweep(rows)
    assert findings.comparisons == []
    assert "pope: a=1 and a=0: they were not asked the same questions" in findings.notes[0]
