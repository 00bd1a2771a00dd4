"""What a step is summed up as, over rows and devices: the loss, and that of each source."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vlm import ranks
from vlm.data.batch import PackedBatch


@dataclass(frozen=True)
class Total:
    """A step, all devices together.

    Args:
        loss: Of the step.
        num_skipped: Faulty samples that were left out.
        by_source: Summed cross-entropy (nats) of each source's supervised tokens, and their number.
    """

    loss: float
    num_skipped: int
    by_source: Mapping[str, tuple[float, float]]


class Tally:
    """The sums of a step, made on the device, so that nothing waits for them before the last row.

    Args:
        sources: Names of the mixture's.
        device: Of the rows.
    """

    def __init__(self, sources: Sequence[str], device: torch.device) -> None:
        self._place = {source: place for place, source in enumerate(sources)}
        self._loss = torch.zeros(1, dtype=torch.float32, device=device)
        self._sums = torch.zeros(len(sources), dtype=torch.float32, device=device)
        self._counts = [0] * len(sources)

    def add(self, row: PackedBatch, sums: Tensor, share: Tensor) -> None:
        """Add a row.

        Args:
            row: What was read.
            sums: Cross-entropy (nats) of what it teaches of each source.
            share: Its share of the step's loss.
        """
        self._loss += share
        for part, summed in zip(row.learned, sums, strict=True):
            place = self._place.get(part.source)
            if place is not None:  # what only passes through the model is of no source
                self._sums[place] += summed
                self._counts[place] += len(part.places)

    def total(self, num_skipped: int) -> Total:
        """Return the sums of all devices, of which this one left out so many samples."""
        counts = torch.tensor([*self._counts, num_skipped], dtype=torch.float32, device=self._loss.device)
        loss, *values, skipped = ranks.summed(torch.cat([self._loss, self._sums, counts])).tolist()
        sums, of_sources = values[: len(self._place)], values[len(self._place) :]
        return Total(
            loss, round(skipped), dict(zip(self._place, zip(sums, of_sources, strict=True), strict=True))
        )
