"""The loss law: the sum over supervised tokens divided by their number."""

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
) -> tuple[Scalar, int]:
    """Return the mean cross-entropy (nats per token) and the number of supervised tokens.

    The head is applied to supervised positions only: no logits of the whole row exist.
    """
    targets = next_token_targets(labels, boundaries)
    supervised = targets != IGNORE_ID
    hidden, targets = hidden[supervised], targets[supervised]
    if hasattr(functional, "linear_cross_entropy"):
        loss = functional.linear_cross_entropy(hidden, head, targets)
    else:  # torch before 2.13
        loss = functional.cross_entropy(functional.linear(hidden, head), targets)
    return loss, len(targets)
