"""Rendered text to token ids and labels, by character spans, so right for any tokenizer."""

from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from vlm.data.sample import IMAGE_PLACEHOLDER
from vlm.data.template import Span

IGNORE_ID = -100  # a label that is not supervised
IMAGE_ID = -200  # stands in the ids where an image's visual tokens go; never a vocabulary row


@dataclass(frozen=True)
class Tokens:
    """Ids of a document, with `IMAGE_ID` at pictures, and the label of each: itself or `IGNORE_ID`."""

    ids: list[int]
    labels: list[int]


def tokenize(spans: Sequence[Span], tokenizer: PreTrainedTokenizerBase) -> Tokens:
    """Tokenize each text between pictures in one piece; a token that touches a supervised span is.

    The document opens with the tokenizer's BOS, if it has one.
    """
    text = "".join(span.text for span in spans)
    supervised = [span.supervised for span in spans for _ in span.text]
    bos = tokenizer.bos_token_id
    ids, labels = ([], []) if bos is None else ([bos], [IGNORE_ID])
    start = 0
    for number, chunk in enumerate(text.split(IMAGE_PLACEHOLDER)):
        if number:
            ids.append(IMAGE_ID)
            labels.append(IGNORE_ID)
            start += len(IMAGE_PLACEHOLDER)
        encoded = tokenizer(chunk, add_special_tokens=False, return_offsets_mapping=True)
        for token, (first, last) in zip(encoded["input_ids"], encoded["offset_mapping"], strict=True):
            ids.append(token)
            labels.append(token if any(supervised[start + first : start + last]) else IGNORE_ID)
        start += len(chunk)
    return Tokens(ids, labels)
