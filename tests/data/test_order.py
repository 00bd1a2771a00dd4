"""The order of samples is a pure function, and reads as much as is said."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vlm.data.order import SourceSize, epoch_order

SOURCES = st.lists(
    st.builds(
        SourceSize,
        st.lists(st.integers(1, 30), min_size=1, max_size=12),
        st.integers(0, 500),
    ),
    min_size=1,
    max_size=4,
)


@given(SOURCES, st.integers(0, 9), st.integers(0, 3))
def test_an_epoch_reads_each_source_as_often_as_is_said(
    sources: list[SourceSize], seed: int, epoch: int
) -> None:
    order = epoch_order(sources, seed, epoch)
    assert Counter(order[:, 0].tolist()) == Counter(
        {which: source.num_drawn for which, source in enumerate(sources) if source.num_drawn}
    )
    for which, source in enumerate(sources):
        counts = Counter(order[order[:, 0] == which, 1].tolist())
        passes = source.num_drawn / sum(source.shard_sizes)
        assert all(0 <= number < sum(source.shard_sizes) for number in counts)
        assert all(count <= int(passes) + 2 for count in counts.values())


@given(SOURCES, st.integers(0, 9))
def test_the_same_seed_gives_the_same_order_and_epochs_differ(sources: list[SourceSize], seed: int) -> None:
    first, again, later = (epoch_order(sources, seed, epoch) for epoch in (0, 0, 1))
    assert np.array_equal(first, again)
    if len(np.unique(first, axis=0)) > 20:
        assert not np.array_equal(first, later)


def test_partial_epochs_go_on_where_they_ended() -> None:
    source = [SourceSize([7, 5, 8], 5)]
    drawn = [number for epoch in range(4) for number in epoch_order(source, 3, epoch)[:, 1].tolist()]
    assert sorted(drawn) == list(range(20))


def test_samples_of_few_shards_are_near_each_other() -> None:
    source = SourceSize([10] * 64, 640)
    numbers = epoch_order([source], 0, 0)[:, 1] // 10
    window = [len(set(numbers[start : start + 80].tolist())) for start in range(0, 640, 80)]
    assert max(window) <= 8
