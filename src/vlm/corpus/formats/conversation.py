"""Questions and answers about a picture, as one LLaVA record."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, TypeVar

from vlm.data.sample import IMAGE_PLACEHOLDER

Turn = tuple[str, str]
"""A question and its answer."""

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


def make_record(identifier: str, image: str, turns: Sequence[Turn]) -> dict[str, Any]:
    """Return a record with the picture in front of its first question.

    Args:
        identifier: Need not be unique.
        image: File, from the folder of all pictures.
        turns: At least one.
    """
    assert turns
    said = [text for turn in turns for text in turn]
    said[0] = f"{IMAGE_PLACEHOLDER}\n{said[0]}"
    conversations = [{"from": ("human", "gpt")[place % 2], "value": text} for place, text in enumerate(said)]
    return {"id": identifier, "image": image, "conversations": conversations}


def with_prompt(turns: Sequence[Turn], prompt: str) -> list[Turn]:
    """Return the turns with a response-format prompt under the first question, and only there."""
    return with_prompts(turns, [prompt] * len(turns))


def with_prompts(turns: Sequence[Turn], prompts: Sequence[str]) -> list[Turn]:
    """Return the turns, each with its response-format prompt under its question, but for repetitions.

    LLaVA-1.5 writes a conversation's prompt once; so it stands only where it differs from that of the turn
    before.

    Args:
        turns: Questions and answers.
        prompts: Of each turn.
    """
    before = ["", *prompts]
    return [
        (question if prompt == known else f"{question}\n{prompt}", answer)
        for (question, answer), prompt, known in zip(turns, prompts, before, strict=False)
    ]


def group(pairs: Iterable[tuple[Key, Value]]) -> dict[Key, list[Value]]:
    """Return the values of each key; keys and values are in the order in which they come."""
    groups: dict[Key, list[Value]] = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return groups
