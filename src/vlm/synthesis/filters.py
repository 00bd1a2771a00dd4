"""What a good reply does not say."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from vlm.corpus.formats.conversation import Turn

TURN_RULES = {
    "refusal": "it refuses, or speaks of itself as a machine",
    "source": "it speaks of captions, boxes or coordinates, which are not in the picture",
    "uncertain": "it says that it cannot be known",
    "repeated": "the same was asked before in this conversation",
}
"""Why a question with its answer is left out; a record in which none is left is rejected."""

TEXT_RULES = {
    "language": "it is not in the language that is wanted",
    "short": "its answers have fewer words than min_words",
    "long": "its answers have more words than max_words",
    "loop": "it says the same again and again",
}
"""Why a record is rejected."""

LANGUAGES = ("en", "any")
MIN_DISTINCT = 0.6
"""Of a text's runs of four words, the share that must be different ones; English prose has above 0.95."""
RUN = 4

_REFUSAL = re.compile(
    r"^\W*(i'?m sorry|i am sorry|sorry,|i apologi[sz]e|my apologies|unfortunately, i\b|"
    r"i (can ?not|can't|am unable|won't)|i'm unable)|"
    r"\b(i (can ?not|can't|am unable to)|i'm unable to) (see|view|assist|help|fulfill|comply)\b|"
    r"\bas an? (ai|artificial|language model|large language)|\b(ai|language) (model|assistant)\b|\bopenai\b",
    re.IGNORECASE,
)
_SOURCE = re.compile(
    r"\bcaptions?\b|\bbounding box|\bcoordinates?\b|\bbbox|"
    r"\b(provided|given) (sentences?|descriptions?|information|context|text|details)\b|"
    r"\b(sentences?|descriptions?|context) (says?|states?|mentions?|indicates?|suggests?|describes?)\b|"
    r"\b(according to|based on|mentioned in|described in|stated in|from) the (sentences?|"
    r"descriptions?|context)\b|"
    r"[\[(]\s*[01]?\.\d+\s*(,\s*[01]?\.?\d*\s*)+[\])]",
    re.IGNORECASE,
)
_UNCERTAIN = re.compile(
    r"\b(unclear|(uncertain|not (\w+ )?clear) (what|who|where|how|if|whether|from)|"
    r"(hard|difficult|impossible|not possible) to (say|tell|know|determine|be (sure|certain))|"
    r"(can ?not|can't|could not|couldn't) (be )?(determined?|tell|say|know|known|ascertained?)|"
    r"(is|are|was|were)(n't| not) (specified|mentioned|stated|given|provided|indicated)|"
    r"no (information|mention|way to (know|tell))|not enough information|i (do not|don't) know|"
    r"i('m| am) not (sure|certain))\b",
    re.IGNORECASE,
)
_APOSTROPHE = "\N{RIGHT SINGLE QUOTATION MARK}"
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*|\d+")
_ENGLISH = frozenset(
    {
        "the", "of", "and", "is", "are", "with", "to", "that", "it", "its", "on", "this", "there", "they",
        "their", "which", "from", "has", "have", "at", "by", "or", "as", "be", "for", "while", "not", "he",
        "she", "his", "her", "who", "what", "how",
    }
)  # fmt: skip
"""Frequent words that other languages do not share, or have seldom."""
_MIN_ENGLISH = 0.12
"""Of the words, the share that must be among these; English prose has around 0.35."""
_MIN_WORDS_TO_TELL = 6


@dataclass(frozen=True)
class Wanted:
    """What a record shall be like.

    Args:
        min_words: Of its answers together.
        max_words: Likewise.
        language: `en`, or `any`.

    Raises:
        ValueError: A value is none that there is.
    """

    min_words: int = 8
    max_words: int = 600
    language: str = "en"

    def __post_init__(self) -> None:
        if self.language not in LANGUAGES:
            raise ValueError(f"language must be {' or '.join(LANGUAGES)}, got {self.language}")
        if not 0 <= self.min_words <= self.max_words:
            raise ValueError(
                f"min_words={self.min_words} must be at least 0 and at most max_words={self.max_words}"
            )


def words_of(text: str) -> list[str]:
    """Return a text's words in lower case."""
    return _WORD.findall(text.lower().replace(_APOSTROPHE, "'"))


def fault_of_turn(turn: Turn) -> str | None:
    """Return the rule of `TURN_RULES` that a turn breaks by itself."""
    question, answer = (text.replace(_APOSTROPHE, "'") for text in turn)
    if _REFUSAL.search(answer):
        return "refusal"
    if _SOURCE.search(f"{question}\n{answer}"):
        return "source"
    return "uncertain" if _UNCERTAIN.search(answer) else None


def sift_turns(turns: Sequence[Turn]) -> tuple[list[Turn], Counter[str]]:
    """Return the turns that break no rule, and how many broke which, in order."""
    kept: list[Turn] = []
    faults: Counter[str] = Counter()
    asked: set[tuple[str, ...]] = set()
    for turn in turns:
        question = tuple(words_of(turn[0]))
        fault = "repeated" if question and question in asked else fault_of_turn(turn)
        asked.add(question)
        if fault:
            faults[fault] += 1
        else:
            kept.append(turn)
    return kept, faults


def fault_of_text(turns: Sequence[Turn], wanted: Wanted) -> str | None:
    """Return the rule of `TEXT_RULES` that a record breaks."""
    answered = [word for _, answer in turns for word in words_of(answer)]
    if wanted.language == "en" and not is_english(answered):
        return "language"
    if len(answered) < wanted.min_words:
        return "short"
    if len(answered) > wanted.max_words:
        return "long"
    runs = [tuple(answered[place : place + RUN]) for place in range(len(answered) - RUN + 1)]
    return "loop" if len(set(runs)) < MIN_DISTINCT * len(runs) else None


def is_english(words: Sequence[str]) -> bool:
    """Whether words are English, by the script and by words that are frequent in no other language.

    Fewer than six words are told by their script alone.
    """
    letters = "".join(words)
    if sum(letter.isascii() for letter in letters) < 0.9 * len(letters):
        return False
    found = sum(word in _ENGLISH for word in words)
    return len(words) < _MIN_WORDS_TO_TELL or found >= _MIN_ENGLISH * len(words)
