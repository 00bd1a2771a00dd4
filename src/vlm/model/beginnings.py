"""Beginnings that prompts have in common: a picture that is asked about ten times is read once."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from vlm.data.tokens import IMAGE_ID
from vlm.llm.base import SharedBeginnings
from vlm.shapes import PaddedMask, PaddedSequence, VisualIndex

WORTH = 0.75
"""Prompts share only if the distinct beginnings are at most so many of them: to share costs a pass."""


@dataclass(frozen=True)
class PaddedPrompts:
    """Prompts in one batch, padded so that what they share stands in the same columns.

    Args:
        sequence: Embedded; padding stands before a beginning and before what follows it.
        mask: 1 where a row has words.
        shared: Which beginnings stand in for others; None if too few do.
    """

    sequence: PaddedSequence
    mask: PaddedMask
    shared: SharedBeginnings | None


def pad_prompts(
    prompts: Sequence[Tensor], visual_index: VisualIndex, sequences: Sequence[Tensor]
) -> PaddedPrompts:
    """Pad prompts on the left, in two parts if enough of them begin alike.

    Args:
        prompts: Ids of each, with `IMAGE_ID` once for each visual token.
        visual_index: Which visual tokens take those places, in order.
        sequences: The prompts, embedded.
    """
    lengths = [_beginning(ids) for ids in prompts]
    shown = torch.split(visual_index, [int((ids == IMAGE_ID).sum()) for ids in prompts])
    rows: dict[tuple[bytes, bytes], int] = {}
    names = [
        (ids[:length].cpu().numpy().tobytes(), pictures.cpu().numpy().tobytes())
        for ids, length, pictures in zip(prompts, lengths, shown, strict=True)
    ]
    for row, name in enumerate(names):
        rows.setdefault(name, row)
    if len(rows) > WORTH * len(prompts):
        return PaddedPrompts(*_pad(sequences), shared=None)
    places = {name: place for place, name in enumerate(rows)}
    device = visual_index.device
    heads, head_mask = _pad([one[:length] for one, length in zip(sequences, lengths, strict=True)])
    tails, tail_mask = _pad([one[length:] for one, length in zip(sequences, lengths, strict=True)])
    shared = SharedBeginnings(
        heads.shape[1],
        torch.tensor(list(rows.values()), device=device),
        torch.tensor([places[name] for name in names], device=device),
    )
    return PaddedPrompts(torch.cat([heads, tails], 1), torch.cat([head_mask, tail_mask], 1), shared)


def _beginning(ids: Tensor) -> int:
    """Return how many ids others may share: to the last picture's end, but never all, nor none."""
    pictures = torch.nonzero(ids == IMAGE_ID)
    end = int(pictures[-1]) + 1 if len(pictures) else 1
    return max(1, min(end, len(ids) - 1))


def _pad(sequences: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Return sequences padded on the left, and where they are."""
    padded = pad_sequence(list(sequences), batch_first=True, padding_side="left")
    ones = [torch.ones(len(one), dtype=torch.long, device=padded.device) for one in sequences]
    return padded, pad_sequence(ones, batch_first=True, padding_side="left")
