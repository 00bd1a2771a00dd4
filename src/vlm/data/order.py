"""The order of samples, a pure function of (seed, epoch, mixture): no buffer, so no state to lose.

A source is read in blocks of shards drawn at random, and within a block in random order, so that
reading stays near-sequential; the sources are then dealt into one sequence by a random riffle.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SHARDS_PER_BLOCK = 8


@dataclass(frozen=True)
class SourceSize:
    """How large a source is, and how much of it an epoch reads.

    Args:
        shard_sizes: Samples of each shard.
        num_drawn: Samples that one epoch of the mixture reads; more or fewer than there are.
    """

    shard_sizes: Sequence[int]
    num_drawn: int


def epoch_order(sources: Sequence[SourceSize], seed: int, epoch: int) -> NDArray[np.int64]:
    """Return one epoch: rows of (source, number within the source)."""
    labels = np.repeat(np.arange(len(sources)), [source.num_drawn for source in sources])
    np.random.default_rng([seed, epoch]).shuffle(labels)
    order = np.empty((len(labels), 2), dtype=np.int64)
    order[:, 0] = labels
    for which, source in enumerate(sources):
        order[labels == which, 1] = _draw(source, seed, epoch, which)
    return order


def _draw(source: SourceSize, seed: int, epoch: int, which: int) -> NDArray[np.int64]:
    """Whole passes, then part of one; epochs continue where the last partial pass ended."""
    if not source.num_drawn:
        return np.empty(0, dtype=np.int64)
    size = sum(source.shard_sizes)
    first = epoch * source.num_drawn
    passes = range(first // size, (first + source.num_drawn - 1) // size + 1)
    drawn = np.concatenate([_one_pass(source.shard_sizes, [seed, which, number]) for number in passes])
    start = first - passes[0] * size
    return drawn[start : start + source.num_drawn]


def _one_pass(shard_sizes: Sequence[int], seed: list[int]) -> NDArray[np.int64]:
    """Every number of a source once: blocks of shards at random, samples of a block at random."""
    generator = np.random.default_rng(seed)
    starts = np.concatenate([[0], np.cumsum(shard_sizes)])
    shards = generator.permutation(len(shard_sizes))
    blocks = []
    for first in range(0, len(shards), SHARDS_PER_BLOCK):
        numbers = [
            np.arange(starts[shard], starts[shard + 1]) for shard in shards[first : first + SHARDS_PER_BLOCK]
        ]
        blocks.append(generator.permutation(np.concatenate(numbers)))
    return np.concatenate(blocks)
