"""How likely the model found the tokens that it wrote."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from vlm.llm.base import Logits

UNLIKELY = -9999.0
"""Stands for all that is less, and for what is no number, which JSON has none of; OpenAI's value."""


@dataclass(frozen=True)
class TokenLogprob:
    """Of a token of an answer, given all before it.

    Args:
        id: Of the token.
        logprob: The logarithm of the model's own probability, at most 0.
        top: The likeliest tokens and theirs, the likeliest first.
    """

    id: int
    logprob: float
    top: Sequence[tuple[int, float]]


def read_logprobs(
    logits: Logits, ids: Sequence[int], tops: Sequence[int | None]
) -> list[TokenLogprob | None]:
    """Return how likely the next token of each row was, for the rows that ask.

    The probability is the model's own: `log_softmax` of its logits in float32, before temperature, `top_p`,
    `top_k` and the noise that draws. It depends neither on how the token was chosen nor on the other rows.

    Args:
        logits: As the model gives them.
        ids: The token of each row.
        tops: So many of the likeliest are wanted, in [0, 20]; None wants nothing, and costs nothing.
    """
    asking = [row for row, most in enumerate(tops) if most is not None]
    found: list[TokenLogprob | None] = [None] * len(ids)
    if not asking:
        return found
    each = logits[asking].float().log_softmax(-1).nan_to_num(nan=UNLIKELY).clamp(min=UNLIKELY)
    chosen = torch.tensor([[ids[row]] for row in asking], device=each.device)
    top = each.topk(max(most for most in tops if most is not None))
    told = zip(
        asking, each.gather(1, chosen).tolist(), top.indices.tolist(), top.values.tolist(), strict=True
    )
    for row, (own,), likeliest, theirs in told:
        both = list(zip(likeliest, theirs, strict=True))
        found[row] = TokenLogprob(ids[row], own, both[: tops[row]])
    return found
