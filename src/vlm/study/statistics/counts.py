"""What a benchmark sums, by cluster: all that the paired statistics need to know of answers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlm.benchmark.tally import Column, Tally

Table = NDArray[np.float64]
"""One row for each cluster, or for each draw of clusters; one column for each of a benchmark's sums."""
Metric = Callable[[Mapping[str, Column]], Column]
"""Sums by name, to what models are compared by: one value for each entry of the sums."""


@dataclass(frozen=True)
class Counts:
    """Sums by cluster.

    Args:
        clusters: Names of the rows, sorted.
        names: Of the columns, sorted.
        table: The sums.
    """

    clusters: tuple[str, ...]
    names: tuple[str, ...]
    table: Table

    @classmethod
    def of(cls, tally: Tally) -> "Counts":
        """Return the sums of a benchmark's units by cluster."""
        clusters, rows = np.unique(np.asarray(tally.clusters, dtype=str), return_inverse=True)
        names = sorted(tally.columns)
        columns = [
            np.bincount(rows, weights=tally.columns[name], minlength=len(clusters)).astype(np.float64)
            for name in names
        ]
        return cls(tuple(clusters.tolist()), tuple(names), np.stack(columns, axis=1))

    @classmethod
    def mean(cls, several: Sequence["Counts"]) -> "Counts":
        """Return the mean of models that answered the same questions.

        Raises:
            ValueError: They did not.
        """
        first = several[0]
        for other in several[1:]:
            first.require_same(other)
        return cls(first.clusters, first.names, np.mean([counts.table for counts in several], axis=0))

    def require_same(self, other: "Counts") -> None:
        """Refuse to compare what is not of the same questions.

        Raises:
            ValueError: It is not.
        """
        if self.clusters != other.clusters or self.names != other.names:
            raise ValueError("they were not asked the same questions; ask both again")

    def read(self, sums: Table, metric: Metric) -> Column:
        """Return the metric of each row of sums."""
        columns = {name: sums[:, number] for number, name in enumerate(self.names)}
        return np.asarray(metric(columns), dtype=np.float64)

    def value(self, metric: Metric) -> float:
        """Return the metric of all clusters together."""
        return float(self.read(self.table.sum(axis=0, keepdims=True), metric)[0])
