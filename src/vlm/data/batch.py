"""A packed batch: one row of tokens that holds whole documents, and their pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from vlm.data.document import Document
from vlm.data.image import Picture
from vlm.data.tiles import ROW_END
from vlm.data.tokens import IGNORE_ID
from vlm.shapes import Boundaries, DocumentWeights, Tiles, TokenIds, TokenWeights, VisualIndex


@dataclass
class PackedBatch:
    """Documents end to end; no mask.

    Args:
        ids: Words, and `IMAGE_ID` once for each visual token.
        labels: The id at supervised positions, `IGNORE_ID` elsewhere; not shifted.
        position_ids: Counted from the start of each document.
        boundaries: Where documents begin and end; int32, as varlen attention wants it.
        tiles: The pictures', in the order of their placeholders.
        visual_index: Which visual tokens of the tiles take those places, in order.
        keys: `source/key` of each document.
        loss_weights: Of each document's supervised tokens.
    """

    ids: TokenIds
    labels: TokenIds
    position_ids: TokenIds
    boundaries: Boundaries
    tiles: Tiles
    visual_index: VisualIndex
    keys: list[str]
    loss_weights: DocumentWeights

    @property
    def num_supervised(self) -> int:
        """Tokens that are learned; nothing predicts a document's first."""
        return int((self.targets != IGNORE_ID).sum())

    @property
    def supervised_weight(self) -> float:
        """What these tokens count for together."""
        return float(self.token_weights[self.targets != IGNORE_ID].sum())

    @property
    def targets(self) -> TokenIds:
        """Labels shifted left within each document; a document's last token has nothing to predict."""
        targets = self.labels.roll(-1)
        targets[self.boundaries[1:].long() - 1] = IGNORE_ID
        return targets

    @property
    def token_weights(self) -> TokenWeights:
        """The weight of its document, for each token."""
        return self.loss_weights.repeat_interleave(self.boundaries.diff().long())


def pack(
    documents: Sequence[Document], tokens_per_tile: int, image_size: int, pad_id: int | None = None
) -> PackedBatch:
    """Lay documents end to end.

    Args:
        documents: Whole, or cut to the context.
        tokens_per_tile: Visual tokens of one tile.
        image_size: Side of a tile, in pixels.
        pad_id: Makes all documents as long as the longest, with this token at their ends; causal attention
            keeps it from what comes before. None pads nothing.
    """
    lengths = np.array([len(document.ids) for document in documents])
    padded = lengths if pad_id is None else np.full(len(lengths), lengths.max())
    boundaries = np.concatenate([[0], np.cumsum(padded)])
    ids = np.full(boundaries[-1], pad_id or 0, dtype=np.int64)
    labels = np.full(boundaries[-1], IGNORE_ID, dtype=np.int64)
    for document, start, length in zip(documents, boundaries, lengths, strict=False):
        ids[start : start + length] = document.ids
        labels[start : start + length] = document.labels
    pictures = [picture for document in documents for picture in document.pictures]
    tiles, visual_index = join_pictures(pictures, tokens_per_tile, image_size)
    return PackedBatch(
        ids=torch.from_numpy(ids),
        labels=torch.from_numpy(labels),
        position_ids=torch.from_numpy(np.arange(boundaries[-1]) - np.repeat(boundaries[:-1], padded)),
        boundaries=torch.from_numpy(boundaries.astype(np.int32)),
        tiles=tiles,
        visual_index=visual_index,
        keys=[document.key for document in documents],
        loss_weights=torch.tensor([document.loss_weight for document in documents]),
    )


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
