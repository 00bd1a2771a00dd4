"""The loss law: the sum over supervised tokens divided by their number."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from vlm.data.tokens import IGNORE_ID
from vlm.shapes import Boundaries, Scalar, Sequence, TokenIds


def next_token_targets(labels: TokenIds, boundaries: Boundaries) -> TokenIds:
    """Shift labels left within each document; a document's last token has nothing to predict."""
    targets = labels.roll(-1)
    targets[boundaries[1:].long() - 1] = IGNORE_ID
    return targets


def language_loss(
    hidden: Sequence,
    head: Float[Tensor, "vocabulary text_dim"],
    labels: TokenIds,
    boundaries: Boundaries,
    logit_cap: float | None = None,
) -> tuple[Scalar, int]:
    """Return the mean cross-entropy (nats per token) and the number of supervised tokens.

    The head is applied to supervised positions only: no logits of the whole row exist.

    Args:
        hidden: Last hidden states.
        head: Output embedding.
        labels: Not shifted.
        boundaries: Of the documents.
        logit_cap: The value `c` of logits that are softly capped as `c tanh(logits / c)`.
    """
    targets = next_token_targets(labels, boundaries)
    supervised = targets != IGNORE_ID
    hidden, targets = hidden[supervised], targets[supervised]
    if logit_cap is None and hasattr(functional, "linear_cross_entropy"):
        return functional.linear_cross_entropy(hidden, head, targets), len(targets)
    logits = functional.linear(hidden, head)  # torch before 2.13, or capped
    if logit_cap is not None:
        logits = logit_cap * torch.tanh(logits / logit_cap)
    return functional.cross_entropy(logits, targets), len(targets)
