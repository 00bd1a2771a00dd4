"""A packed batch: one row of tokens that holds whole documents, and their pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from vlm.data.tokens import IGNORE_ID, IMAGE_ID, Tokens
from vlm.shapes import Boundaries, Pixels, TokenIds


@dataclass
class PackedBatch:
    """Documents end to end; no padding and no mask.

    Args:
        ids: Words, and `IMAGE_ID` once for each visual token.
        labels: The id at supervised positions, `IGNORE_ID` elsewhere; not shifted.
        position_ids: Counted from the start of each document.
        boundaries: Where documents begin and end; int32, as varlen attention wants it.
        pixels: In the order of their placeholders.
        keys: `source/key` of each document.
    """

    ids: TokenIds
    labels: TokenIds
    position_ids: TokenIds
    boundaries: Boundaries
    pixels: Pixels
    keys: list[str]


def pack(
    documents: Sequence[Tokens],
    pixels: Sequence[Float[Tensor, "3 size size"]],
    keys: Sequence[str],
    tokens_per_image: int,
    image_size: int,
    context_length: int,
) -> PackedBatch:
    """Lay documents end to end, with room for each picture's visual tokens.

    A document longer than the context is cut at its right end, as LLaVA does.

    Raises:
        ValueError: The cut would go through a picture, or leaves nothing to learn.
    """
    ids: list[int] = []
    labels: list[int] = []
    positions: list[int] = []
    boundaries = [0]
    for document, key in zip(documents, keys, strict=True):
        expanded = expand_images(document, tokens_per_image)
        cut = slice(context_length)
        if IMAGE_ID in expanded.ids[context_length:]:
            raise ValueError(f"{key}: its pictures do not fit llm.context_length={context_length}; raise it")
        if all(label == IGNORE_ID for label in expanded.labels[cut]):
            raise ValueError(f"{key}: no answer starts within llm.context_length={context_length}; raise it")
        ids += expanded.ids[cut]
        labels += expanded.labels[cut]
        positions += range(len(ids) - boundaries[-1])
        boundaries.append(len(ids))
    return PackedBatch(
        ids=torch.tensor(ids),
        labels=torch.tensor(labels),
        position_ids=torch.tensor(positions),
        boundaries=torch.tensor(boundaries, dtype=torch.int32),
        pixels=stack_pixels(pixels, image_size),
        keys=list(keys),
    )


def expand_images(document: Tokens, tokens_per_image: int) -> Tokens:
    """Repeat each `IMAGE_ID` as often as a picture has visual tokens."""
    ids: list[int] = []
    labels: list[int] = []
    for token, label in zip(document.ids, document.labels, strict=True):
        repeats = tokens_per_image if token == IMAGE_ID else 1
        ids += [token] * repeats
        labels += [label] * repeats
    return Tokens(ids, labels)


def stack_pixels(pixels: Sequence[Float[Tensor, "3 size size"]], image_size: int) -> Pixels:
    """Stack pictures; of none make an empty batch that still has its shape."""
    return torch.stack(list(pixels)) if pixels else torch.empty(0, 3, image_size, image_size)
