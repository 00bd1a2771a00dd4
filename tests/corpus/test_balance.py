"""The concept balance: what the paper says, by hand and by a walk in its own order."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlm.corpus.balance import Balance, choose


def test_rare_phrases_bring_nothing_and_frequent_ones_a_draw() -> None:
    captions = [["dog"]] * 50 + [["cat"]] * 4 + [["emu"]] * 2 + [["dog", "emu"], ["dog", "yak"]]
    chosen = choose(captions, Balance(min_count=3, max_captions=10))
    assert (chosen.num_phrases, chosen.num_rare, chosen.num_drawn) == (4, 1, 1)
    cats, emus = {50, 51, 52, 53}, {54, 55, 56}
    assert cats | emus <= set(chosen.places)
    drawn = set(chosen.places) - cats - emus
    assert 9 <= len(drawn) <= 10  # the dog with the emu may be among the ten
    assert all("dog" in captions[place] for place in drawn)


@given(
    st.lists(st.sets(st.sampled_from("abcdefgh"), max_size=4), max_size=60),
    st.integers(1, 4),
    st.integers(1, 12),
    st.integers(0, 3),
)
def test_the_papers_walk_gives_the_same(
    captions: list[set[str]], min_count: int, max_captions: int, seed: int
) -> None:
    counts = {phrase: sum(phrase in caption for caption in captions) for phrase in "abcdefgh"}
    pool: set[int] = set()
    for phrase in sorted(counts, key=lambda phrase: counts[phrase]):
        holders = [place for place, caption in enumerate(captions) if phrase in caption]
        if len(holders) < min_count:
            continue
        if len(holders) > max_captions:
            holders = random.Random(f"{seed}/{phrase}").sample(holders, max_captions)
        pool |= set(holders)
    assert choose(
        [sorted(caption) for caption in captions], Balance(min_count, max_captions, seed)
    ).places == (sorted(pool))


def test_another_seed_draws_others() -> None:
    captions = [["dog"]] * 500
    first, again, other = (choose(captions, Balance(seed=seed)).places for seed in (0, 0, 1))
    assert first == again != other
    assert len(first) == len(other) == 100


@pytest.mark.parametrize("key", ["min_count", "max_captions"])
def test_limits_are_named(key: str) -> None:
    with pytest.raises(ValueError, match=f"{key} must be at least 1, got 0"):
        Balance(**{key: 0})
