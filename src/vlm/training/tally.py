"""What a step is summed up as, over rows and devices: the loss, and that of each source."""

from collections.abc import Sequence

import torch
from torch import Tensor

from vlm import ranks
from vlm.data.batch import PackedBatch


class Tally:
    """The sums of a step.

    Args:
        sources: Names of the mixture's.
        num_skipped: Faulty samples that this device left out.
        device: Where sums are made, so that nothing waits for them before the last row.
    """

    def __init__(self, sources: Sequence[str], num_skipped: int, device: torch.device) -> None:
        self.sources = list(sources)
        self._mine, self.num_skipped = num_skipped, 0
        self._loss = torch.zeros((), device=device)
        self._sums = torch.zeros(len(self.sources), device=device)
        self._counts = [0] * len(self.sources)

    def add(self, row: PackedBatch, sums: Tensor, share: Tensor) -> None:
        """Add a row.

        Args:
            row: What was read.
            sums: Cross-entropy (nats) of what it teaches of each source.
            share: Its share of the step's loss.
        """
        self._loss += share
        for part, summed in zip(row.learned, sums, strict=True):
            if part.source in self.sources:  # what fills a row up is of none
                place = self.sources.index(part.source)
                self._sums[place] += summed
                self._counts[place] += len(part.places)

    def read(self) -> tuple[float, dict[str, tuple[float, float]]]:
        """Return the step's loss, and for each source its summed loss and tokens, of all devices."""
        counts = torch.tensor([*self._counts, self._mine], dtype=torch.float32, device=self._loss.device)
        values = ranks.summed(torch.cat([self._loss.unsqueeze(0), self._sums, counts])).tolist()
        sums, counts_of = values[1 : 1 + len(self.sources)], values[1 + len(self.sources) : -1]
        self.num_skipped = round(values[-1])
        return values[0], dict(zip(self.sources, zip(sums, counts_of, strict=True), strict=True))
