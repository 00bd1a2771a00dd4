"""The loss law: the sum over supervised tokens, each by its weight, divided by the sum of their weights."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from vlm.data.tokens import IGNORE_ID
from vlm.shapes import Scalar, Sequence, TokenIds, TokenWeights

Head = Float[Tensor, "vocabulary text_dim"]


def language_loss(
    hidden: Sequence, head: Head, targets: TokenIds, weights: TokenWeights, logit_cap: float | None = None
) -> Scalar:
    """Return the weighted mean cross-entropy, in nats per token.

    The head is applied to supervised positions only, and in one piece where all weigh the same: no logits of
    the whole row exist.

    Args:
        hidden: Last hidden states.
        head: Output embedding.
        targets: The token that each position predicts, or `IGNORE_ID`.
        weights: Of each position, above 0.
        logit_cap: The value `c` of logits that are softly capped as `c tanh(logits / c)`.
    """
    supervised = targets != IGNORE_ID
    hidden, targets, weights = hidden[supervised], targets[supervised], weights[supervised]
    different = torch.unique(weights)
    if len(different) < 2:
        return _cross_entropy(hidden, head, targets, logit_cap)
    shares = [(weights == weight, weight) for weight in different]
    parts = [
        _cross_entropy(hidden[chosen], head, targets[chosen], logit_cap) * (weight * chosen.sum())
        for chosen, weight in shares
    ]
    return torch.stack(parts).sum() / weights.sum()


def _cross_entropy(hidden: Sequence, head: Head, targets: TokenIds, logit_cap: float | None) -> Scalar:
    if logit_cap is None and hasattr(functional, "linear_cross_entropy"):
        return functional.linear_cross_entropy(hidden, head, targets)
    logits = functional.linear(hidden, head)  # torch before 2.13, or capped
    if logit_cap is not None:
        logits = logit_cap * torch.tanh(logits / logit_cap)
    return functional.cross_entropy(logits, targets)
