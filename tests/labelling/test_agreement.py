"""Which reply the others agree with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlm.labelling.agreement import choose, likeness

WORDS = st.lists(st.sampled_from(["a", "red", "blue", "ring", "left"]), min_size=1, max_size=6).map(" ".join)


def test_answers_in_a_word_are_the_same_or_not() -> None:
    assert likeness("Yes.", "yes") == 1
    assert likeness("yes", "no") == 0
    assert likeness("?", "?") == 1
    assert likeness("?", "!") == 0
    assert likeness("", "yes") == 0


def test_the_order_of_words_counts() -> None:
    assert likeness("a red ring left", "a red ring left") == 1
    assert likeness("red ring left", "left ring red") == pytest.approx(1 / 3)
    assert likeness("a red ring", "a blue ring") == pytest.approx(2 / 3)  # F1 of two words of three


@given(WORDS, WORDS)
def test_it_is_a_likeness(one: str, other: str) -> None:
    assert likeness(one, other) == likeness(other, one)
    assert 0 <= likeness(one, other) <= 1
    assert (likeness(one, other) == 1) == (one.split() == other.split())


def test_the_most_frequent_word_is_chosen() -> None:
    assert choose(["red", "blue", "blue", "ring", "blue"]) == (1, pytest.approx(0.5))
    assert choose(["red", "red"]) == (0, 1.0)
    assert choose(["red", "blue"]) == (0, 0.0)  # a tie: the likeliest stands first
    assert choose(["red"]) == (0, 1.0)


def test_of_sentences_the_one_in_the_middle_is_chosen() -> None:
    place, agreement = choose(["a big red ring", "a red ring", "a red cross"])
    assert place == 1
    assert agreement == pytest.approx((6 / 7 + 2 / 3) / 2)
