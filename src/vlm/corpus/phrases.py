"""The noun phrases of a caption, as `vlm data filter` counts them."""

import re
from collections.abc import Callable
from functools import lru_cache

from HanTa.HanoverTagger import HanoverTagger
from hydra.utils import get_method

Extractor = Callable[[str], list[str]]
NOUN_PHRASES = "vlm.corpus.phrases.noun_phrases"
_WORD = re.compile(r"\w+(?:['\N{RIGHT SINGLE QUOTATION MARK}-]\w+)*|[^\w\s]")
_KINDS = {"AJ": "A", "OR": "A", "NN": "N", "NP": "N", "CR": "D", "CJ": "C"}
"""Adjectives and ordinals, nouns and names, numbers, conjunctions: by the first letters of their C5 tag."""
_PHRASE = re.compile(r"(?:[AND]|(?<=A)C(?=A))*N")


def noun_phrases(text: str) -> list[str]:
    """Return each noun with the adjectives, numbers and nouns before it, in lower case, once.

    `A black and white cat on two wooden chairs` has `black and white cat` and `two wooden chairs`: spaCy's
    noun chunks without their articles and pronouns, by the Hannover Tagger, whose model comes with it
    (Wartena 2019, "A Probabilistic Morphology Model for German Lemmatization").
    """
    words = _WORD.findall(text)
    if not words:
        return []
    tags = "".join(_KINDS.get(tag[:2], "-") for _, _, tag in _tagger().tag_sent(words))
    found = (" ".join(words[match.start() : match.end()]).lower() for match in _PHRASE.finditer(tags))
    return list(dict.fromkeys(found))


@lru_cache(maxsize=1)
def find_extractor(name: str) -> Extractor:
    """Return the function `package.module.function` that finds the phrases of a text.

    Raises:
        ValueError: There is none.
    """
    try:
        return get_method(name)
    except Exception as error:
        raise ValueError(
            f"phrases={name} is no function that can be imported; say phrases=PACKAGE.MODULE.FUNCTION, "
            "which makes a text a list of phrases"
        ) from error


@lru_cache(maxsize=1)
def _tagger() -> HanoverTagger:
    return HanoverTagger("morphmodel_en.pgz")
