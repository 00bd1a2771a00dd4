"""Keys and values of rows that join and leave a batch while it is written."""

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import DynamicCache


def join(
    first: DynamicCache,
    first_mask: Tensor,  # of several sizes, which no named axes could be
    second: DynamicCache,
    second_mask: Tensor,
) -> tuple[DynamicCache, Tensor]:
    """Return the rows of both, padded on the left to as many columns, and where they have words.

    Args:
        first: Keys and values of some rows; not changed.
        first_mask: 1 where these have words: [row, column].
        second: Of others; not changed.
        second_mask: Alike.
    """
    columns = max(first_mask.shape[1], second_mask.shape[1])
    masks = [pad(mask, (columns - mask.shape[1], 0)) for mask in (first_mask, second_mask)]
    joined = [
        tuple(
            torch.cat([_widen(one, columns), _widen(other, columns)])
            for one, other in zip(*both, strict=True)
        )
        for both in zip(_tensors(first), _tensors(second), strict=True)
    ]
    return DynamicCache(joined), torch.cat(masks)


def select(cache: DynamicCache, mask: Tensor, rows: Tensor) -> tuple[DynamicCache, Tensor]:
    """Return some rows, without the columns that none of them has words in.

    Args:
        cache: Keys and values of all rows; not changed.
        mask: 1 where a row has words: [row, column].
        rows: Their numbers.
    """
    kept = mask[rows]
    columns = torch.nonzero(kept.any(0)).flatten()
    chosen = [tuple(tensor[rows].index_select(2, columns) for tensor in both) for both in _tensors(cache)]
    return DynamicCache(chosen), kept[:, columns]


def _tensors(cache: DynamicCache) -> list[tuple[Tensor, Tensor]]:
    """Return keys and values of each layer: [row, head, column, dim]."""
    return [(layer.keys, layer.values) for layer in cache.layers]


def _widen(tensor: Tensor, columns: int) -> Tensor:
    # Zeros: what is not attended to must still be a number, or zero times it is none.
    return pad(tensor, (0, 0, columns - tensor.shape[2], 0))
