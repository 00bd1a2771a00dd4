"""Holm's method."""

import pytest

from vlm.study.statistics.several import holm


def test_a_case_by_hand() -> None:
    # In order: 0.005 * 4, 0.01 * 3, 0.03 * 2, 0.04 * 1, and none below the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_no_p_is_above_one_or_below_what_it_was() -> None:
    assert holm([0.9, 0.8, 0.4]) == [1, 1, 1]
    assert holm([0.2]) == [0.2]
    assert holm([]) == []


def test_equal_ones_stay_equal() -> None:
    assert holm([0.02, 0.02, 0.5]) == pytest.approx([0.06, 0.06, 0.5])
