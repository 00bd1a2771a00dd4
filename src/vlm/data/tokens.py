"""Rendered text to token ids and labels, by character spans, so right for any tokenizer."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from tokenizers.pre_tokenizers import Metaspace
from transformers import PreTrainedTokenizerBase

from vlm.data.sample import IMAGE_PLACEHOLDER

Characters = NDArray[np.int64]
"""The first character of each token, and the one after its last."""
IGNORE_ID = -100  # a label that is not supervised
SPACE = "\N{LOWER ONE EIGHTH BLOCK}"  # as sentencepiece writes it
IMAGE_ID = -200  # stands in the ids where an image's visual tokens go; never a vocabulary row


@dataclass(frozen=True)
class Span:
    """A piece of a rendered text; the model learns to write the supervised ones."""

    text: str
    supervised: bool = False


@dataclass(frozen=True)
class Tokens:
    """Ids of a document, with `IMAGE_ID` at pictures, and the label of each: itself or `IGNORE_ID`."""

    ids: list[int]
    labels: list[int]


@lru_cache(maxsize=8)
def opening(tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """Return what the tokenizer puts before every text: its BOS, which some have and do not put there."""
    return tuple(tokenizer("")["input_ids"])


def encode(text: str, tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], Characters]:
    """Return a text's tokens, and the first character and the one after the last of each; no BOS before it.

    sentencepiece puts a space before every text. Its form in transformers leaves it out before a text that
    begins with a space; here it is put there.
    """
    backend = tokenizer.backend_tokenizer  # a third of the time of asking the tokenizer itself
    added = int(text.startswith(" ") and _leaves_space_out(tokenizer))
    encoded = backend.encode(SPACE * added + text, add_special_tokens=False)
    offsets = encoded.offsets
    characters = np.fromiter(chain.from_iterable(offsets), np.int64, 2 * len(offsets)).reshape(-1, 2)
    return encoded.ids, np.maximum(0, characters - added)


@lru_cache(maxsize=8)
def _leaves_space_out(tokenizer: PreTrainedTokenizerBase) -> bool:
    first = tokenizer.backend_tokenizer.pre_tokenizer
    return isinstance(first, Metaspace) and first.prepend_scheme == "first"


# What stands before the first picture is the same in most samples of a source.
_encode_opening = lru_cache(maxsize=32)(encode)


def tokenize(spans: Sequence[Span], tokenizer: PreTrainedTokenizerBase) -> Tokens:
    """Tokenize each text between pictures in one piece; a token that touches a supervised span is.

    The document opens with the tokenizer's BOS, if it puts one before texts.
    """
    text = "".join(span.text for span in spans)
    edges = np.cumsum([len(span.text) for span in spans])
    supervised_before = np.cumsum([0, *(span.supervised and len(span.text) > 0 for span in spans)])
    ids = list(opening(tokenizer))
    labels = [IGNORE_ID] * len(ids)
    start = 0
    for number, chunk in enumerate(text.split(IMAGE_PLACEHOLDER)):
        if number:
            ids.append(IMAGE_ID)
            labels.append(IGNORE_ID)
            start += len(IMAGE_PLACEHOLDER)
        tokens, characters = (encode if number else _encode_opening)(chunk, tokenizer)
        first, after = start + characters.T
        # Of the spans that a token touches, is any supervised?
        touched = np.searchsorted(edges, first, "right"), np.searchsorted(edges, after, "left") + 1
        learned = (supervised_before[touched[1]] > supervised_before[touched[0]]) & (after > first)
        ids += tokens
        labels += np.where(learned, tokens, IGNORE_ID).tolist()
        start += len(chunk)
    return Tokens(ids, labels)
