"""A packed batch: one row of tokens that holds whole documents, and their pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from lightning_utilities.core.apply_func import apply_to_collection
from numpy.typing import NDArray
from torch import Tensor

from vlm.data.document import Document
from vlm.data.image import Picture
from vlm.data.tiles import ROW_END
from vlm.data.tokens import IGNORE_ID
from vlm.shapes import Boundaries, Tiles, TokenIds, VisualIndex


@dataclass
class Learned:
    """What a row teaches of one source.

    Args:
        source: Its name.
        weight: Of each of its supervised tokens, in the loss.
        places: Positions whose next token is supervised; nothing predicts a document's first.
        targets: Those next tokens.
    """

    source: str
    weight: float
    places: TokenIds
    targets: TokenIds


@dataclass
class Edges:
    """Where the documents of a row begin and end.

    Args:
        boundaries: Document i holds tokens boundaries[i] to boundaries[i + 1]; int32, as varlen attention
            wants it.
        lengths: Of each document, where no device must be waited for.
    """

    boundaries: Boundaries
    lengths: list[int]

    @classmethod
    def of(cls, lengths: Sequence[int]) -> "Edges":
        """Return the edges of documents that are so long."""
        ends = np.cumsum([0, *lengths]).astype(np.int32)
        return cls(torch.from_numpy(ends), list(lengths))


@dataclass
class PackedBatch:
    """Documents end to end; no mask.

    Args:
        ids: Words, and `IMAGE_ID` once for each visual token.
        labels: The id at supervised positions, `IGNORE_ID` elsewhere; not shifted.
        position_ids: Counted from the start of each document.
        edges: Of the documents, and of what fills the row up.
        tiles: The pictures', in the order of their placeholders.
        visual_index: Which visual tokens of the tiles take those places, in order.
        num_pictures: Whose tiles they are.
        keys: `source/key` of each document.
        learned: What it teaches, one entry for each source.
    """

    ids: TokenIds
    labels: TokenIds
    position_ids: TokenIds
    edges: Edges
    tiles: Tiles
    visual_index: VisualIndex
    num_pictures: int
    keys: list[str]
    learned: list[Learned]

    @property
    def num_supervised(self) -> int:
        """Tokens that are learned."""
        return sum(len(part.places) for part in self.learned)

    @property
    def supervised_weight(self) -> float:
        """What these tokens count for together."""
        return sum(len(part.places) * part.weight for part in self.learned)

    def pin_memory(self) -> "PackedBatch":
        """Return it in memory that a GPU copies from while it computes; DataLoader asks for it."""
        pinned: PackedBatch = apply_to_collection(self, Tensor, Tensor.pin_memory)
        return pinned


def pack(
    documents: Sequence[Document],
    tokens_per_tile: int,
    image_size: int,
    pad_id: int | None = None,
    row_size: int = 0,
) -> PackedBatch:
    """Lay documents end to end.

    Args:
        documents: Whole, or cut to the context.
        tokens_per_tile: Visual tokens of one tile.
        image_size: Side of a tile, in pixels.
        pad_id: Makes all documents as long as the longest, with this token at their ends; causal attention
            keeps it from what comes before. None pads nothing.
        row_size: Tokens that the row has at least: a document that teaches nothing fills it.
    """
    lengths = [len(document.ids) for document in documents]
    padded = lengths if pad_id is None else [max(lengths)] * len(lengths)
    filler = [row_size - sum(padded)] if row_size > sum(padded) else []
    boundaries = np.cumsum([0, *padded, *filler])
    ids = np.full(boundaries[-1], pad_id or 0, dtype=np.int64)
    labels = np.full(boundaries[-1], IGNORE_ID, dtype=np.int64)
    for document, start, length in zip(documents, boundaries, lengths, strict=False):
        ids[start : start + length] = document.ids
        labels[start : start + length] = document.labels
    pictures = [picture for document in documents for picture in document.pictures]
    tiles, visual_index = join_pictures(pictures, tokens_per_tile, image_size)
    starts = np.repeat(boundaries[:-1], np.diff(boundaries))
    return PackedBatch(
        ids=torch.from_numpy(ids),
        labels=torch.from_numpy(labels),
        position_ids=torch.from_numpy(np.arange(boundaries[-1]) - starts),
        edges=Edges.of(padded + filler),
        tiles=tiles,
        visual_index=visual_index,
        num_pictures=len(pictures),
        keys=[document.key for document in documents],
        learned=_learned(documents, boundaries),
    )


def _learned(documents: Sequence[Document], starts: NDArray[np.int64]) -> list[Learned]:
    """Return the supervised positions of each source, in the order in which sources appear."""
    found: dict[tuple[str, float], list[tuple[Any, Any]]] = {}
    for document, start in zip(documents, starts, strict=False):
        places = np.flatnonzero(document.labels[1:] != IGNORE_ID)
        of_source = found.setdefault((document.source, document.loss_weight), [])
        of_source.append((places + start, document.labels[places + 1]))
    return [
        Learned(
            source, weight, *(torch.from_numpy(np.concatenate(part)) for part in zip(*parts, strict=True))
        )
        for (source, weight), parts in found.items()
    ]


def join_pictures(
    pictures: Sequence[Picture], tokens_per_tile: int, image_size: int
) -> tuple[Tiles, VisualIndex]:
    """Return all tiles, and one index into the visual tokens of all; of no pictures, both are empty."""
    tiles = torch.empty(0, image_size, image_size, 3, dtype=torch.uint8)
    index = torch.empty(0, dtype=torch.long)
    if pictures:
        # By numpy, which asks for huge pages: the first touch of new memory takes longer than the copying.
        tiles = torch.from_numpy(np.concatenate([picture.tiles.numpy() for picture in pictures]))
        first, places = 0, []
        for picture in pictures:
            places.append(picture.index.where(picture.index == ROW_END, picture.index + first))
            first += len(picture.tiles) * tokens_per_tile
        index = torch.cat(places)
    return tiles, index
