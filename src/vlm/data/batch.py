"""A packed batch: one row of tokens that holds whole documents, and their pictures."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from vlm.data.image import Picture
from vlm.data.tiles import ROW_END
from vlm.data.tokens import IGNORE_ID, IMAGE_ID, Tokens
from vlm.shapes import Boundaries, Pixels, TokenIds, VisualIndex


@dataclass
class PackedBatch:
    """Documents end to end; no padding and no mask.

    Args:
        ids: Words, and `IMAGE_ID` once for each visual token.
        labels: The id at supervised positions, `IGNORE_ID` elsewhere; not shifted.
        position_ids: Counted from the start of each document.
        boundaries: Where documents begin and end; int32, as varlen attention wants it.
        pixels: The pictures' tiles, in the order of their placeholders.
        visual_index: Which visual tokens of the tiles take those places, in order.
        keys: `source/key` of each document.
    """

    ids: TokenIds
    labels: TokenIds
    position_ids: TokenIds
    boundaries: Boundaries
    pixels: Pixels
    visual_index: VisualIndex
    keys: list[str]


def pack(
    documents: Sequence[Tokens],
    pictures: Sequence[Picture],
    keys: Sequence[str],
    tokens_per_tile: int,
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
    lengths = iter([len(picture.index) for picture in pictures])
    for document, key in zip(documents, keys, strict=True):
        expanded = expand_images(document, lengths)
        cut = slice(context_length)
        if IMAGE_ID in expanded.ids[context_length:]:
            raise ValueError(f"{key}: its pictures do not fit llm.context_length={context_length}; raise it")
        if all(label == IGNORE_ID for label in expanded.labels[cut]):
            raise ValueError(f"{key}: no answer starts within llm.context_length={context_length}; raise it")
        ids += expanded.ids[cut]
        labels += expanded.labels[cut]
        positions += range(len(ids) - boundaries[-1])
        boundaries.append(len(ids))
    pixels, visual_index = join_pictures(pictures, tokens_per_tile, image_size)
    return PackedBatch(
        ids=torch.tensor(ids),
        labels=torch.tensor(labels),
        position_ids=torch.tensor(positions),
        boundaries=torch.tensor(boundaries, dtype=torch.int32),
        pixels=pixels,
        visual_index=visual_index,
        keys=list(keys),
    )


def expand_images(document: Tokens, lengths: Iterator[int]) -> Tokens:
    """Repeat each `IMAGE_ID` as often as the next picture has visual tokens."""
    ids: list[int] = []
    labels: list[int] = []
    for token, label in zip(document.ids, document.labels, strict=True):
        repeats = next(lengths) if token == IMAGE_ID else 1
        ids += [token] * repeats
        labels += [label] * repeats
    return Tokens(ids, labels)


def join_pictures(
    pictures: Sequence[Picture], tokens_per_tile: int, image_size: int
) -> tuple[Pixels, VisualIndex]:
    """Return all tiles, and one index into the visual tokens of all; of no pictures, both are empty."""
    pixels, index = torch.empty(0, 3, image_size, image_size), torch.empty(0, dtype=torch.long)
    if pictures:
        pixels = torch.cat([picture.tiles for picture in pictures])
        first, places = 0, []
        for picture in pictures:
            places.append(picture.index.where(picture.index == ROW_END, picture.index + first))
            first += len(picture.tiles) * tokens_per_tile
        index = torch.cat(places)
    return pixels, index
