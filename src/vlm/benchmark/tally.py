"""Counts whose sums give a benchmark's metrics, so that resampling them gives the metrics' errors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.float64]
"""One number a unit; or sums of these, one number a resample."""


@dataclass(frozen=True)
class Tally:
    """A table of units, each a question or whatever else is right or wrong as a whole.

    Args:
        clusters: What each unit is resampled with: those of one picture come and go together.
        columns: By name, one number for each unit.
    """

    clusters: Sequence[str]
    columns: Mapping[str, Column]

    def sums(self) -> dict[str, Column]:
        """Return the sum of each column, as an array of one."""
        return {name: column.sum(keepdims=True) for name, column in self.columns.items()}

    def resampled(self, resamples: int, seed: int) -> dict[str, Column]:
        """Return the sums of each column in as many draws of the clusters with replacement."""
        names, rows = np.unique(np.asarray(self.clusters, dtype=str), return_inverse=True)
        generator = np.random.default_rng(seed)
        by_cluster = {
            name: np.bincount(rows, weights=column, minlength=len(names))
            for name, column in self.columns.items()
        }
        drawn: dict[str, list[float]] = {name: [] for name in by_cluster}
        for _ in range(resamples):  # one at a time: all draws of 50,000 pictures at once would be 400 MB
            chosen = np.bincount(generator.integers(len(names), size=len(names)), minlength=len(names))
            for name, column in by_cluster.items():
                drawn[name].append(float(column @ chosen))
        return {name: np.asarray(sums) for name, sums in drawn.items()}


def by_kind(name: str, kinds: Sequence[str], values: Sequence[float] | Column) -> dict[str, Column]:
    """Return a column `<name>/<kind>` for each kind, holding the values of its units and 0 elsewhere."""
    numbers, of = np.asarray(values, dtype=np.float64), np.asarray(kinds, dtype=str)
    return {f"{name}/{kind}": np.where(of == kind, numbers, 0.0) for kind in sorted(set(kinds))}


def total(sums: Mapping[str, Column], name: str) -> Column:
    """Return the sum over all kinds of what `by_kind` has parted."""
    return np.sum([column for key, column in sums.items() if key.startswith(f"{name}/")], axis=0)


def ratio(above: Column, below: Column) -> Column:
    """Return `above / below`, and NaN where nothing was counted: a resample may draw no unit of a kind."""
    return np.divide(above, below, out=np.full(np.broadcast(above, below).shape, np.nan), where=below != 0)


def means(sums: Mapping[str, Column], above: str, below: str, metric: str) -> dict[str, Column]:
    """Return `metric`, the ratio over all kinds, and `metric/<kind>` for each kind that has a name."""
    found = {metric: ratio(total(sums, above), total(sums, below))}
    kinds = [key.removeprefix(f"{below}/") for key in sums if key.startswith(f"{below}/")]
    return found | {
        f"{metric}/{kind}": ratio(sums[f"{above}/{kind}"], sums[f"{below}/{kind}"]) for kind in kinds if kind
    }
