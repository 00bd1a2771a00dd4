"""What a run has been given so far: operations, tokens, pictures; it outlives a stop."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from vlm import ranks
from vlm.data.batch import PackedBatch


@dataclass
class Spent:
    """Totals over a run's steps; of this device, with those of all before it went on among the first one's.

    Args:
        flops: What learning took (forward and backward, nothing twice); 0 where it cannot be counted.
        tokens: That the LLM read, visual ones and padding among them.
        supervised: Tokens that were learned, each as often as it was read.
        visual: Visual tokens, ends of their rows among them.
        pictures: Pictures, each as often as it was read.
        is_whole: Whether every step is in it: a state may be of a time when nobody counted.
    """

    flops: int = 0
    tokens: int = 0
    supervised: int = 0
    visual: int = 0
    pictures: int = 0
    is_whole: bool = True

    @classmethod
    def going_on(cls, totals: Mapping[str, Any] | None) -> "Spent":
        """Return what a device goes on from: all devices' totals are the first one's.

        Args:
            totals: That a state has; None if it has none.
        """
        if totals is None or totals.keys() != {field.name for field in fields(cls)}:  # an earlier version's
            return cls(is_whole=False)
        return cls(**totals) if not ranks.rank() else cls(is_whole=totals["is_whole"])

    def add(self, row: PackedBatch, flops: int) -> None:
        """Count a row."""
        self.flops += flops
        self.tokens += len(row.ids)
        self.supervised += row.num_supervised
        self.visual += len(row.visual_index)
        self.pictures += row.num_pictures

    def of_all(self) -> dict[str, Any]:
        """Return the totals of all devices; every one must ask."""
        mine = {name: value for name, value in asdict(self).items() if name != "is_whole"}
        sums = ranks.gathered(list(mine.values())).sum(0).tolist()
        return {name: round(value) for name, value in zip(mine, sums, strict=True)} | {
            "is_whole": self.is_whole
        }


def summarise(totals: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a manifest says of the totals; what is not known is None.

    All are of the whole run, but for `visual_tokens_per_picture`, which is a mean.
    """
    known, pictures = totals["is_whole"], totals["pictures"]
    return {
        "flops": (totals["flops"] or None) if known else None,
        "tokens": totals["tokens"] if known else None,
        "supervised_tokens": totals["supervised"] if known else None,
        "visual_tokens": totals["visual"] if known else None,
        # A mean needs no whole: every part of a run reads pictures alike.
        "visual_tokens_per_picture": round(totals["visual"] / pictures, 2) if pictures else None,
    }
