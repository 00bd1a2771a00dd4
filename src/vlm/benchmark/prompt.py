"""The words that LLaVA-1.5 asks with (Liu et al. 2023, arXiv:2310.03744, and its evaluation scripts)."""

from collections.abc import Sequence
from string import ascii_uppercase

from vlm.data.sample import IMAGE_PLACEHOLDER

SHORT = "Answer the question using a single word or phrase."
LETTER = "Answer with the option's letter from the given choices directly."
LETTER_CHINESE = "请直接回答选项字母。"


def with_pictures(text: str, num_pictures: int = 1) -> str:
    """Return the text with its pictures' placeholders before it, a line each."""
    return f"{IMAGE_PLACEHOLDER}\n" * num_pictures + text


def lettered(choices: Sequence[str]) -> str:
    """Return the options, a line each: `A. red`."""
    return "\n".join(f"{letter}. {choice}" for letter, choice in zip(ascii_uppercase, choices, strict=False))
