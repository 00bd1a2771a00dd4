"""The noise floor is the t test's."""

import numpy as np
import pytest
from scipy import stats

from vlm.study.statistics.noise import pool


def test_two_groups_are_a_t_test() -> None:
    first, second = [70.1, 70.9, 69.8], [71.5, 72.6, 71.1, 71.9]
    noise = pool([first, second])
    assert noise
    assert noise.freedom == 5
    told = stats.ttest_ind(second, first).confidence_interval(0.95)
    difference, floor = np.mean(second) - np.mean(first), noise.floor(3, 4)
    assert (difference - floor, difference + floor) == pytest.approx((told.low, told.high))
    assert noise.p(float(difference), 3, 4) == pytest.approx(stats.ttest_ind(second, first).pvalue)
    assert noise.p(floor, 3, 4) == pytest.approx(0.05)


def test_one_group_is_a_t_interval() -> None:
    group = [0.5, 0.52, 0.49, 0.55]
    noise = pool([group])
    assert noise
    assert noise.deviation == pytest.approx(np.std(group, ddof=1))
    told = stats.ttest_1samp(group, 0).confidence_interval(0.95)
    assert noise.interval(float(np.mean(group)), 4) == pytest.approx((told.low, told.high))


def test_what_was_not_repeated_says_nothing() -> None:
    assert pool([]) is None
    assert pool([[0.5], [0.7]]) is None
    alone, among = pool([[0.5, 0.6]]), pool([[0.5, 0.6], [0.9], []])
    assert alone == among


def test_more_seeds_lower_the_floor() -> None:
    noise = pool([[1.0, 2.0, 3.0]] * 3)
    assert noise
    assert noise.floor(3, 3) < noise.floor(1, 3) < noise.floor(1, 1)


def test_seeds_that_are_all_alike_have_no_noise() -> None:
    noise = pool([[0.5, 0.5], [0.7, 0.7]])
    assert noise
    assert noise.floor(2, 2) == 0
    assert (noise.p(0.2, 2, 2), noise.p(0.0, 2, 2)) == (0, 1)
