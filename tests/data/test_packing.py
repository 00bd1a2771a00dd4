"""Rows are full, whole and fair; groups are LLaVA's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlm.data.packing import best_fit, deal, group_by_modality_and_length, share

LENGTHS = st.lists(st.integers(1, 60), min_size=1, max_size=80)
MEANS = {  # samples and mean tokens of LLaVA-1.5's ten sources, in thousands and tokens
    "llava": (158, 890), "vqav2": (83, 735), "gqa": (72, 890), "okvqa": (9, 640), "ocrvqa": (80, 750),
    "aokvqa": (66, 680), "textcaps": (22, 720), "refcoco": (48, 960), "vg": (86, 1160),
    "sharegpt": (41, 1300),
}  # fmt: skip


@given(LENGTHS, st.integers(30, 100))
def test_rows_hold_every_document_once_within_the_budget(lengths: list[int], budget: int) -> None:
    rows = best_fit(lengths, budget)
    assert sorted(document for row in rows for document in row) == list(range(len(lengths)))
    for row in rows:
        assert row == sorted(row)
        assert sum(lengths[document] for document in row) <= budget or len(row) == 1


@given(LENGTHS)
def test_two_rows_are_never_left_that_one_could_hold(lengths: list[int]) -> None:
    sums = sorted(sum(lengths[document] for document in row) for row in best_fit(lengths, 60))
    assert len(sums) < 2 or sums[0] + sums[1] > 60


def test_a_row_takes_the_document_that_fits_tightest() -> None:
    assert best_fit([6, 5, 4, 5], 10) == [[0, 2], [1, 3]]


def lengths_like_665k(count: int) -> list[int]:
    """Log-normal texts behind 614 visual and system tokens, with the measured means of each source."""
    generator = np.random.default_rng(0)
    drawn = []
    for name, (thousands, mean) in MEANS.items():
        fixed = 0 if name == "sharegpt" else 614
        texts = generator.lognormal(0, 0.6, count * thousands // 665)
        drawn.append(np.minimum(2048, fixed + texts / texts.mean() * (mean - fixed)).astype(int))
    return generator.permutation(np.concatenate(drawn)).tolist()


def test_rows_of_a_mixture_like_llavas_are_full() -> None:
    """16 steps of 128 samples in rows of 16,384 tokens: 98 of 100 tokens of the budget are used."""
    used = rows = 0
    lengths = lengths_like_665k(20_000)
    for start in range(0, len(lengths) - 2048, 2048):
        window = lengths[start : start + 2048]
        used += sum(window)
        rows += len(best_fit(window, 16_384))
    assert used / (rows * 16_384) >= 0.98


def test_rows_are_dealt_evenly_by_pictures() -> None:
    rows = [[number] for number in range(16)]
    tiles = {number: number for number in range(16)}
    steps = deal(rows, tiles, 4)
    assert [len(step) for step in steps] == [4] * 4
    assert len({sum(tiles[row[0]] for row in step) for step in steps}) == 1
    for step in steps:  # two devices in turn
        first, second = (sum(tiles[row[0]] for row in share(step, rank, 2)) for rank in range(2))
        assert first == second


@given(st.integers(0, 20), st.integers(1, 5))
def test_every_row_has_one_device(count: int, world_size: int) -> None:
    shares = [share([[row] for row in range(count)], rank, world_size) for rank in range(world_size)]
    assert sorted(row for mine in shares for taken in mine for row in taken) == list(range(count))
    assert {len(mine) for mine in shares} == {-(-count // world_size)}


@given(st.integers(0, 9), st.integers(1, 90), st.integers(0, 90))
def test_groups_hold_every_sample_once(seed: int, pictures: int, texts: int) -> None:
    pictured = np.random.default_rng(seed).permutation(np.arange(pictures + texts) < pictures)
    words = np.random.default_rng(seed + 1).integers(1, 50, pictures + texts)
    order = group_by_modality_and_length(words, pictured, 8, 2, [seed])
    assert sorted(order.tolist()) == list(range(pictures + texts))
    full = [order[start : start + 8] for start in range(0, len(order), 8)]
    mixed = [step for step in full if len(set(pictured[step])) > 1]
    # What is left over of both modalities comes last: at most the last step of each.
    left_over = 16 if texts else 8
    assert all(set(step.tolist()) <= set(order[-left_over:].tolist()) for step in mixed)


def test_rows_of_a_group_are_of_about_one_sum() -> None:
    """LLaVA's: the longest first, each to the row that is shortest so far and has a place."""
    words = np.array([8, 7, 6, 5, 4, 3, 2, 1])
    order = group_by_modality_and_length(words, np.ones(8, bool), 8, 2, [0])
    assert [words[order[start : start + 2]].tolist() for start in range(0, 8, 2)] == [
        [8, 1], [7, 2], [6, 3], [5, 4],
    ]  # fmt: skip


@pytest.mark.parametrize(("size", "expected"), [(6, [[5, 2], [4, 1], [3, 0]]), (5, [[4, 1], [3, 0], [2]])])
def test_a_step_that_does_not_divide_is_strided(size: int, expected: list[list[int]]) -> None:
    words = np.arange(1, size + 1)
    order = group_by_modality_and_length(words, np.ones(size, bool), 9, 3, [0])
    if size % 3:
        flat = [sample for row in expected for sample in row]
        assert order.tolist() == flat
    else:
        assert sorted(order.tolist()) == sorted(sample for row in expected for sample in row)
