"""Rendered text to token ids and labels, by character spans, so right for any tokenizer."""

from collections.abc import Sequence
from dataclasses import dataclass

from tokenizers.pre_tokenizers import Metaspace
from transformers import PreTrainedTokenizerBase

from vlm.data.sample import IMAGE_PLACEHOLDER

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


def opening(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return what the tokenizer puts before every text: its BOS, which some have and do not put there."""
    return list(tokenizer("")["input_ids"])


def encode(text: str, tokenizer: PreTrainedTokenizerBase) -> list[tuple[int, tuple[int, int]]]:
    """Return a text's tokens, and the characters of each; no BOS is put before it.

    sentencepiece puts a space before every text. Its form in transformers leaves it out before a text that
    begins with a space; here it is put there.
    """
    first = tokenizer.backend_tokenizer.pre_tokenizer
    added = int(isinstance(first, Metaspace) and first.prepend_scheme == "first" and text.startswith(" "))
    encoded = tokenizer(SPACE * added + text, add_special_tokens=False, return_offsets_mapping=True)
    characters = [(max(0, first - added), max(0, last - added)) for first, last in encoded["offset_mapping"]]
    return list(zip(encoded["input_ids"], characters, strict=True))


def tokenize(spans: Sequence[Span], tokenizer: PreTrainedTokenizerBase) -> Tokens:
    """Tokenize each text between pictures in one piece; a token that touches a supervised span is.

    The document opens with the tokenizer's BOS, if it puts one before texts.
    """
    text = "".join(span.text for span in spans)
    supervised = [span.supervised for span in spans for _ in span.text]
    ids = opening(tokenizer)
    labels = [IGNORE_ID] * len(ids)
    start = 0
    for number, chunk in enumerate(text.split(IMAGE_PLACEHOLDER)):
        if number:
            ids.append(IMAGE_ID)
            labels.append(IGNORE_ID)
            start += len(IMAGE_PLACEHOLDER)
        for token, (first, last) in encode(chunk, tokenizer):
            ids.append(token)
            labels.append(token if any(supervised[start + first : start + last]) else IGNORE_ID)
        start += len(chunk)
    return Tokens(ids, labels)
