"""Captions chosen so that frequent concepts do not drown rare ones; as LLaVA chose 595K pairs of CC3M."""

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Balance:
    """How many captions a phrase brings.

    Args:
        min_count: A phrase in fewer captions brings none.
        max_captions: Of a phrase in more captions, as many are drawn.
        seed: Of the draw.

    Raises:
        ValueError: A value is outside its range.
    """

    min_count: int = 3
    max_captions: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        for key in ("min_count", "max_captions"):
            if getattr(self, key) < 1:
                raise ValueError(f"{key} must be at least 1, got {getattr(self, key)}")


@dataclass(frozen=True)
class Balanced:
    """What was chosen.

    Args:
        places: Of the captions, in their order.
        num_phrases: Different ones.
        num_rare: Of these, too rare to bring captions.
        num_drawn: Of these, so frequent that their captions were drawn.
    """

    places: list[int]
    num_phrases: int
    num_rare: int
    num_drawn: int


def choose(captions: Sequence[Collection[str]], balance: Balance) -> Balanced:
    """Choose captions by their phrases (LLaVA, arXiv:2304.08485, appendix on pre-training data).

    The paper walks the phrases from the rarest to the most frequent and adds captions to a pool; what that
    holds in the end does not depend on the order, since each phrase draws from all its captions.

    Args:
        captions: The phrases of each, without repetition.
        balance: How many captions a phrase brings.
    """
    holders: dict[str, list[int]] = {}
    for place, phrases in enumerate(captions):
        for phrase in phrases:
            holders.setdefault(phrase, []).append(place)
    chosen: set[int] = set()
    rare = drawn = 0
    for phrase, places in holders.items():
        if len(places) < balance.min_count:
            rare += 1
        elif len(places) <= balance.max_captions:
            chosen.update(places)
        else:
            drawn += 1
            # A generator for each phrase: what it draws depends on no other phrase.
            chosen.update(random.Random(f"{balance.seed}/{phrase}").sample(places, balance.max_captions))
    return Balanced(sorted(chosen), len(holders), rare, drawn)
