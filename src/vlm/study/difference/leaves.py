"""Which values of two configs differ, and which of these can change weights."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vlm.config import PARTS

ABSENT = "(absent)"
MOVED = {
    "trainer.precision": "precision",
    "trainer.max_steps": "max_steps",
    "trainer.on_error": "on_error",
    "trainer.tokens_per_row": "stage.batching.tokens_per_row",
    "trainer.samples_per_row": "stage.batching.samples_per_row",
    "stage.batching.parity.mode": "stage.batching.mode",
    "stage.batching.parity.row_size": "stage.batching.samples_per_row",
}
"""Where a run's identity has what its config has elsewhere."""
BY_CONTENT = {"checkpoint", "weights", "shards"}
"""Keys that name files, which the identity knows by their hash."""
NO_VALUE = re.compile(r"after|mixture\.[^.]+\.content")
"""What of an identity is told as a stage before, or as data."""


@dataclass(frozen=True)
class Leaf:
    """A value that differs.

    Args:
        key: In the config; or in the identity, if the config does not say it.
        first: `ABSENT` where there is none.
        second: The same of the other run.
        enters: Whether the fingerprints differ by it.
    """

    key: str
    first: Any
    second: Any
    enters: bool


def differing(first: Mapping[str, Any], second: Mapping[str, Any], prefix: str = "") -> Iterator[Leaf]:
    """Yield what differs, a whole branch as one if only one of them has it; nothing of it enters yet."""
    for key in {**first, **second}:
        one, two = first.get(key, ABSENT), second.get(key, ABSENT)
        if isinstance(one, dict) and isinstance(two, dict):
            yield from differing(one, two, f"{prefix}{key}.")
        elif one != two:
            yield Leaf(f"{prefix}{key}", one, two, enters=False)


def compare_configs(
    first: Mapping[str, Any],
    second: Mapping[str, Any],
    identities: tuple[Mapping[str, Any], Mapping[str, Any]],
) -> list[Leaf]:
    """Return every leaf that differs, and what differs in the identities though no leaf says so.

    Args:
        first: A config.
        second: Another.
        identities: What the fingerprints of the two were taken of.
    """
    identity = list(differing(*identities))
    told: set[str] = set()
    leaves = []
    for leaf in differing(first, second):
        here = {
            other.key
            for other in identity
            if any(_is_within(place, other.key) for place in _places(leaf.key))
        }
        leaves.append(Leaf(leaf.key, leaf.first, leaf.second, bool(here)))
        told |= here
    untold = [leaf for leaf in identity if leaf.key not in told and not NO_VALUE.fullmatch(leaf.key)]
    return leaves + [Leaf(leaf.key.removeprefix("parts."), leaf.first, leaf.second, True) for leaf in untold]


def _is_within(one: str, two: str) -> bool:
    """Whether one of two keys is the other, or holds it."""
    return f"{one}.".startswith(f"{two}.") or f"{two}.".startswith(f"{one}.")


def _places(key: str) -> list[str]:
    """Return where an identity would have a config's leaf."""
    moved = MOVED.get(key, key)
    place = f"parts.{moved}" if moved.partition(".")[0] in PARTS else moved
    above, _, last = place.rpartition(".")
    return [place, f"{above}.content"] if last in BY_CONTENT else [place]
