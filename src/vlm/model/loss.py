"""The cross-entropy of a row's supervised tokens; what share of a step's loss they are, the task says."""

from collections.abc import Sequence as Several

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import LinearCrossEntropyOptions, functional
from torch.utils.checkpoint import checkpoint

from vlm.data.batch import Learned
from vlm.shapes import Scalar, Sequence, SourceSums, TokenIds

CHUNK = {"cpu": 256, "cuda": 1024}
"""Positions whose logits exist at once: as many as keep the matrix product busy."""

Head = Float[Tensor, "vocabulary text_dim"]


def language_loss(
    hidden: Sequence, head: Head, learned: Several[Learned], logit_cap: float | None = None
) -> SourceSums:
    """Return the summed cross-entropy (nats) of each source's supervised tokens.

    The head is applied to supervised positions only, and to a few of them at a time: the logits of a whole
    row never exist.

    Args:
        hidden: Last hidden states.
        head: Output embedding.
        learned: The positions and their targets, by source.
        logit_cap: The value `c` of logits that are softly capped as `c tanh(logits / c)`.
    """
    if torch.is_autocast_enabled(hidden.device.type):
        dtype = torch.get_autocast_dtype(hidden.device.type)
        hidden, head = hidden.to(dtype), head.to(dtype)
    sums = [_cross_entropy(hidden[part.places], head, part.targets, logit_cap) for part in learned]
    return torch.stack(sums)


def _cross_entropy(hidden: Sequence, head: Head, targets: TokenIds, logit_cap: float | None) -> Scalar:
    chunk = CHUNK[hidden.device.type]
    if logit_cap is None:
        options = LinearCrossEntropyOptions(batch_chunk_size=chunk, chunking_method=None)
        losses = functional.linear_cross_entropy(
            hidden, head, targets,
            # In few bits a sum of thousands would be rounded to three digits; single losses may be.
            reduction="sum" if hidden.dtype is torch.float32 else "none",
            options=options if len(targets) > chunk else None,
        )  # fmt: skip
        return losses.float().sum()
    parts = zip(torch.split(hidden, chunk), torch.split(targets, chunk), strict=True)
    return torch.stack([_capped(*part, head, logit_cap) for part in parts]).sum()


def _capped(hidden: Sequence, targets: TokenIds, head: Head, logit_cap: float) -> Scalar:
    def cross_entropy(hidden: Sequence, head: Head) -> Scalar:
        logits = logit_cap * torch.tanh(functional.linear(hidden, head).float() / logit_cap)
        return functional.cross_entropy(logits, targets, reduction="sum")

    summed: Scalar = checkpoint(cross_entropy, hidden, head, use_reentrant=False)
    return summed
