"""Whether what should learn has changed and what should not is as it was, to the bit."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

from vlm import ranks
from vlm.config import PARTS
from vlm.model.vision_language import VisionLanguageModel

PIECE = 2**20  # values that are looked at together
MULTIPLIER = 6364136223846793005  # of Knuth's generator, whose odd numbers weigh a value by its place


class Proof:
    """Remembers a checksum of every weight.

    Args:
        model: Before the first step, as it is spread.
    """

    def __init__(self, model: VisionLanguageModel) -> None:
        self._before = dict(_checksums(model))

    def of_what_changed(self, model: VisionLanguageModel) -> dict[str, dict[str, int]]:
        """Return of each part how many weights learn, how many of those changed, and how many others did."""
        after = dict(_checksums(model))
        names = list(after)
        here = [float(after[name] != self._before[name]) for name in names]
        moved = dict(zip(names, (ranks.gathered(here).sum(0) > 0).tolist(), strict=True))
        weights = dict(model.named_parameters())
        counts = {}
        for part in PARTS:
            inside = [name for name in names if name.startswith(f"{part}.")]
            learning = [name for name in inside if weights[name].requires_grad]
            counts[part] = {
                "weights": len(inside),
                "learning": len(learning),
                "learned": sum(moved[name] for name in learning),
                "disturbed": sum(moved[name] for name in set(inside) - set(learning)),
            }
        return counts

    @staticmethod
    def describe(changed: dict[str, dict[str, int]]) -> str:
        """Return a table: of each part, what learned and what is as it was."""
        lines = []
        for part, count in changed.items():
            frozen = count["weights"] - count["learning"]
            learned = (
                f"{count['learned']} of {count['learning']} weights changed" if count["learning"] else ""
            )
            still = (
                f"{frozen - count['disturbed']} of {frozen} frozen weights are byte-equal" if frozen else ""
            )
            lines.append(f"  {part:<10} {', '.join(filter(None, (learned, still))) or 'has no weights'}")
        return "\n".join(lines)


def _checksums(model: VisionLanguageModel) -> Iterator[tuple[str, int]]:
    for name, weight in model.named_parameters():
        yield name, checksum(weight.to_local() if isinstance(weight, DTensor) else weight)


@torch.no_grad()
def checksum(tensor: Tensor) -> int:
    """Return 64 bits that differ if one value does: the sum of values, each times an odd number."""
    bits = tensor.detach().contiguous().flatten().view(torch.uint8)
    bits = torch.nn.functional.pad(bits, (0, -len(bits) % 4)).view(torch.int32)
    places = torch.arange(min(PIECE, len(bits)), device=bits.device)
    factors = (places * MULTIPLIER) | 1
    total = 0
    for number, piece in enumerate(torch.split(bits, PIECE)):
        total += int((piece * factors[: len(piece)]).sum()) * (2 * number + 1)
    return total % 2**64
