"""Which things a text names, by lists of words for them."""

import re
from collections.abc import Iterable, Mapping, Sequence

IRREGULAR = {
    "human": "humans", "man": "men", "person": "people", "child": "children", "wife": "wives",
    "knife": "knives", "calf": "calves", "leaf": "leaves", "shelf": "shelves", "mouse": "mice",
    "goose": "geese", "ox": "oxen", "sheep": "sheep", "cattle": "cattle",
}  # fmt: skip
"""Plurals that no rule gives."""
ENDINGS = ("man", "person")
"""Of these, what words end in: policewomen, salespeople."""
COLORED = {"orange"}
"""Things whose singular is most often a color; it counts where it has an article and no noun follows."""
COLORS = {
    "red", "green", "blue", "yellow", "purple", "pink", "brown", "black", "white", "gray", "grey", "silver",
    "gold", "tan", "beige", "cream", "teal", "maroon", "violet",
}  # fmt: skip
DETERMINERS = {
    "a", "an", "the", "one", "each", "another", "single", "whole", "half", "ripe", "fresh", "peeled",
    "sliced", "cut",
}  # fmt: skip
LINKS = {
    "and", "or", "with", "on", "in", "is", "are", "was", "of", "next", "beside", "near", "by", "to", "at",
    "from", "that", "which", "sits", "lies", "sitting", "lying", "placed", "under", "behind", "between",
    "while", "can", "cut", "above", "below", "inside",
}  # fmt: skip
"""What may follow a noun, and after an adjective seldom does."""
_TOKEN = re.compile(r"\w+|[^\w\s-]")


def plural(phrase: str) -> str:
    """Return the plural of a noun, or of the last word of a phrase."""
    *before, last = phrase.split(" ")
    for singular, several in IRREGULAR.items():
        if last == singular or (singular in ENDINGS and last.endswith(singular)):
            return " ".join([*before, last.removesuffix(singular) + several])
    if last.endswith(("s", "x", "z", "ch", "sh")):
        return " ".join([*before, f"{last}es"])
    if last.endswith("y") and last[-2:-1] not in "aeiou":
        return " ".join([*before, f"{last[:-1]}ies"])
    return " ".join([*before, f"{last}s"])


class Vocabulary:
    """Words for things.

    The longest phrase counts, so a hot dog is no dog, and a phrase of `others` names nothing: a train track
    is no train. Singular and plural count alike, and a hyphen is a space.

    Args:
        words: By thing, what it is called; its own name counts, too.
        others: Phrases in which a word means something else.
    """

    def __init__(self, words: Mapping[str, Iterable[str]], others: Iterable[str] = ()) -> None:
        self._things: dict[tuple[str, ...], str | None] = {}
        for phrase in others:
            self._add(phrase, None)
        for name, called in words.items():
            for phrase in called:
                self._add(phrase, name)
        for name in words:  # last: what is called like a thing is that thing
            self._add(name, name)
        self._longest = max(map(len, self._things), default=0)

    def _add(self, phrase: str, name: str | None) -> None:
        for form in (phrase.lower(), plural(phrase.lower())):
            self._things[tuple(_TOKEN.findall(form))] = name

    def mentions(self, text: str) -> list[str]:
        """Return the things that a text names, in its order, as often as it names them."""
        tokens = _TOKEN.findall(text.lower())
        found, place = [], 0
        while place < len(tokens):
            length, name = self._at(tokens, place)
            if name and not (length == 1 and _is_color(tokens, place)):
                found.append(name)
            place += length
        return found

    def _at(self, tokens: Sequence[str], place: int) -> tuple[int, str | None]:
        """Return how many words from a place on belong together, and what they name."""
        for length in range(min(self._longest, len(tokens) - place), 0, -1):
            phrase = tuple(tokens[place : place + length])
            if phrase in self._things:
                return length, self._things[phrase]
        return 1, None


def _is_color(tokens: Sequence[str], place: int) -> bool:
    """Whether a word such as `orange` is the color: it has no article, or a noun or color follows."""
    if tokens[place] not in COLORED:
        return False  # the plural, or another word for the fruit
    before = tokens[place - 1] if place else ""
    after = [*tokens[place + 1 : place + 3], "", ""]
    joined = after[0] in ("and", "or", ",") and after[1] in COLORS
    goes_on = after[0][:1].isalpha() and after[0] not in LINKS
    return before not in DETERMINERS or joined or goes_on


def read_words(path: str, text: str) -> dict[str, list[str]]:
    """Return words by thing from lines such as `dog, puppy`, the form of CHAIR's synonyms.txt.

    Args:
        path: Of the file, for messages.
        text: What it holds.

    Raises:
        ValueError: It holds no such line.
    """
    lines = [[word.strip() for word in line.split(",") if word.strip()] for line in text.splitlines()]
    words = {line[0]: line[1:] for line in lines if line}
    if not words:
        raise ValueError(f"{path} has no words; a line names a thing and then what else it is called")
    return words
