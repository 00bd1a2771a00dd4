"""Which samples share a row: best-fit packing, LLaVA's groups of one modality and length, or neither."""

from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
Item = TypeVar("Item")


def best_fit(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Lay documents into rows of at most `budget` tokens, the longest first, each where it fits tightest.

    Args:
        lengths: Tokens of each document.
        budget: Tokens of a row; a document that is longer has a row of its own.

    Returns:
        The documents of each row by their place in `lengths`, ascending.
    """
    rows: list[list[int]] = []
    free: list[tuple[int, int]] = []  # room that is left, and whose, ascending
    for document in sorted(range(len(lengths)), key=lambda place: (-lengths[place], place)):
        fitting = bisect_left(free, (lengths[document], -1))
        room, row = free.pop(fitting) if fitting < len(free) else (budget, len(rows))
        if row == len(rows):
            rows.append([])
        rows[row].append(document)
        insort(free, (room - lengths[document], row))
    return [sorted(row) for row in rows]


def deal(rows: Sequence[list[int]], tiles: Mapping[int, int], num_steps: int) -> list[list[list[int]]]:
    """Deal rows into steps, and order those of a step so that devices that take turns see as many pictures.

    Args:
        rows: Documents of each.
        tiles: Of each document's pictures.
        num_steps: At most as many as there are rows.
    """
    steps: list[list[list[int]]] = [[] for _ in range(num_steps)]
    by_pictures = sorted(rows, key=lambda row: -sum(tiles[document] for document in row))
    for place, row in enumerate(by_pictures):
        lap, within = divmod(place, num_steps)
        steps[within if lap % 2 == 0 else num_steps - 1 - within].append(row)
    return steps


def share(rows: Sequence[list[Item]], rank: int, world_size: int) -> list[list[Item]]:
    """Return one device's rows; devices take turns, forth and back, as rows are ordered by pictures.

    All get as many, or their collectives would hang: some of them an empty one at the end.
    """
    laps = range(0, len(rows), world_size)
    turns = (start + (rank if lap % 2 == 0 else world_size - 1 - rank) for lap, start in enumerate(laps))
    return [rows[turn] if turn < len(rows) else [] for turn in turns]


def group_by_modality_and_length(
    words: NDArray[np.int64], pictured: NDArray[np.bool_], batch_size: int, row_size: int, seed: Sequence[int]
) -> Numbers:
    """Return an order in which a step's samples are of one modality, and a row's of about one length.

    LLaVA's sampler (llava/train/llava_trainer.py at 1.2.2), drawn from a seed of its own: theirs draws from
    a generator that a resumed run does not have.

    Args:
        words: Of each sample.
        pictured: Whether it has a picture.
        batch_size: Samples of a step, over all devices and rows.
        row_size: Samples of a row; divides `batch_size`.
        seed: Of the draw.
    """
    generator = np.random.default_rng(seed)
    if pictured.all() or not pictured.any():
        signed = words if pictured.all() else -words  # LLaVA keeps the sign, and so sorts text upside down
        return np.concatenate(_by_length(signed, batch_size, row_size, generator))
    both = [np.flatnonzero(pictured), np.flatnonzero(~pictured)]
    cut = [
        _cut(here[np.concatenate(_by_length(words[here], batch_size, row_size, generator))], batch_size)
        for here in both
    ]
    steps = [step for modality in cut for step in modality[:-1]]
    left_over = np.sort(np.concatenate([modality[-1] for modality in cut]))
    return np.concatenate([*(steps[place] for place in generator.permutation(len(steps))), left_over])


def _by_length(
    lengths: NDArray[np.int64], batch_size: int, row_size: int, generator: np.random.Generator
) -> list[Numbers]:
    """Shuffle, sort each step's samples by length, and spread them over rows of about one sum."""
    shuffled = generator.permutation(len(lengths))
    rows: list[Numbers] = []
    for step in _cut(shuffled, batch_size):
        ordered = step[np.argsort(-lengths[step], kind="stable")]
        rows += _even_rows(ordered, lengths, batch_size // row_size)
    return rows


def _even_rows(ordered: Numbers, lengths: NDArray[np.int64], num_rows: int) -> list[Numbers]:
    """Give each sample to the row that is shortest so far and has a place; strided, if they do not divide."""
    if len(ordered) % num_rows:
        return [ordered[start::num_rows] for start in range(num_rows)]
    size = len(ordered) // num_rows
    rows: list[list[int]] = [[] for _ in range(num_rows)]
    sums = np.zeros(num_rows)
    for sample in ordered:
        shortest = int(np.argmin(sums))
        rows[shortest].append(int(sample))
        sums[shortest] = sums[shortest] + lengths[sample] if len(rows[shortest]) < size else np.inf
    return [np.array(row) for row in rows]


def _cut(numbers: Numbers, size: int) -> list[Numbers]:
    return [numbers[start : start + size] for start in range(0, len(numbers), size)]
