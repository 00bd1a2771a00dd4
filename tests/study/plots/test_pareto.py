"""The Pareto front."""

import numpy as np

from vlm.study.plots.pareto import front


def test_who_is_beaten_in_both_is_not_in_the_front() -> None:
    costs, scores = [1.0, 2.0, 3.0, 2.5, 0.5], [50.0, 70.0, 65.0, 80.0, 50.0]
    assert front(costs, scores) == [4, 1, 3]


def test_of_equal_costs_the_better_and_of_equal_scores_the_cheaper() -> None:
    assert front([1.0, 1.0, 2.0], [10.0, 20.0, 20.0]) == [1]
    assert front([], []) == []


def test_it_is_what_trying_all_pairs_gives() -> None:
    generator = np.random.default_rng(3)
    costs, scores = generator.integers(10, size=(2, 40)).astype(float)
    unbeaten = {
        number
        for number in range(40)
        if not any(
            (costs[n] <= costs[number] and scores[n] > scores[number])
            or (costs[n] < costs[number] and scores[n] >= scores[number])
            for n in range(40)
        )
    }
    found = front(costs.tolist(), scores.tolist())
    assert set(found) <= unbeaten
    assert {(costs[n], scores[n]) for n in found} == {(costs[n], scores[n]) for n in unbeaten}
