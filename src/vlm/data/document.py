"""A document: a sample as tokens and pictures, cut to the context, ready to be laid into a row."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from vlm.data.decode import why_broken
from vlm.data.image import ImageTransform, Picture
from vlm.data.sample import IMAGE_PLACEHOLDER, FaultySampleError, Sample
from vlm.data.shards import ShardSource
from vlm.data.template import Template
from vlm.data.tokens import IGNORE_ID, IMAGE_ID, Tokens

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Document:
    """One sample.

    Args:
        key: `source/key`.
        ids: With `IMAGE_ID` once for each visual token.
        labels: The id at supervised places, `IGNORE_ID` elsewhere.
        pictures: In the order of their places.
        loss_weight: Of each of its supervised tokens.
    """

    key: str
    ids: Ids
    labels: Ids
    pictures: Sequence[Picture]
    loss_weight: float = 1.0

    @property
    def source(self) -> str:
        """The name of its source."""
        return self.key.partition("/")[0]


class DocumentReader:
    """The documents of a source, by number.

    Args:
        shards: The source's samples.
        template: How a conversation becomes text.
        tokenizer: Of the LLM.
        image_transform: How pictures become tiles.
        context_length: Tokens that a document is cut to, at its right end, as LLaVA does.
        loss_weight: Of each supervised token.
        num_held_out: Samples at the end that are not learned from.
    """

    def __init__(
        self,
        shards: ShardSource,
        template: Template,
        tokenizer: PreTrainedTokenizerBase,
        image_transform: ImageTransform,
        context_length: int,
        loss_weight: float = 1.0,
        num_held_out: int = 0,
    ) -> None:
        self.shards, self.template, self.tokenizer = shards, template, tokenizer
        self.image_transform, self.context_length = image_transform, context_length
        self.loss_weight, self.num_held_out = loss_weight, num_held_out

    def __len__(self) -> int:
        return len(self.shards) - self.num_held_out

    @property
    def shard_sizes(self) -> list[int]:
        """Samples of each shard that are learned from."""
        ends = np.minimum(self.shards.starts, len(self))
        return [int(size) for size in np.diff(ends) if size]

    def __getitem__(self, number: int) -> Document:
        """Return a document.

        Raises:
            FaultySampleError: Nothing can be learned from it.
        """
        sample = self.shards[number]
        tokens = self.tokens(sample)
        pictures = self._pictures(sample)
        ids, labels = self.cut(sample, *expand_images(tokens, [len(picture.index) for picture in pictures]))
        return Document(self.name(sample), ids, labels, pictures, self.loss_weight)

    @staticmethod
    def name(sample: Sample) -> str:
        """Return how messages and batches call a sample."""
        return f"{sample.source}/{sample.key}"

    def tokens(self, sample: Sample) -> Tokens:
        """Return a sample's tokens, with `IMAGE_ID` once for each picture.

        Raises:
            FaultySampleError: The turns do not fit the template, or the placeholders not the pictures.
        """
        placeholders = sum(turn.text.count(IMAGE_PLACEHOLDER) for turn in sample.turns)
        if placeholders != len(sample.images):
            raise FaultySampleError(
                f"{self.name(sample)}: {placeholders} {IMAGE_PLACEHOLDER} for {len(sample.images)} pictures; "
                "mend the record and pack it again",
                "record",
            )
        try:
            tokens = self.template.tokens(sample.turns, self.tokenizer)
        except ValueError as error:
            raise FaultySampleError(f"{self.name(sample)}: {error}") from error
        if tokens.ids.count(IMAGE_ID) != len(sample.images):  # LLaVA's own way makes one of several
            raise FaultySampleError(
                f"{self.name(sample)}: its template keeps {tokens.ids.count(IMAGE_ID)} of "
                f"{len(sample.images)} pictures; say template.legacy=null",
                "record",
            )
        return tokens

    def cut(self, sample: Sample, ids: Ids, labels: Ids) -> tuple[Ids, Ids]:
        """Cut expanded tokens to the context.

        Raises:
            FaultySampleError: The cut would go through a picture, or leaves nothing to learn.
        """
        limit = self.context_length
        if (ids[limit:] == IMAGE_ID).any():
            raise FaultySampleError(
                f"{self.name(sample)}: its pictures do not fit llm.context_length={limit}; raise it",
                "overflow",
            )
        if (labels[:limit] == IGNORE_ID).all():
            reason = (
                f"no answer starts within llm.context_length={limit}; raise it"
                if len(ids) > limit
                else "there is nothing to learn in it"
            )
            raise FaultySampleError(f"{self.name(sample)}: {reason}", "nothing")
        return ids[:limit], labels[:limit]

    def _pictures(self, sample: Sample) -> list[Picture]:
        try:
            return [self.image_transform(image) for image in sample.images]
        except OSError as error:
            raise FaultySampleError(
                f"{self.name(sample)}: its picture cannot be decoded ({why_broken(error)}); "
                "pack the source again with 'vlm data pack', which checks every picture",
                "picture",
            ) from error


def expand_images(tokens: Tokens, lengths: Sequence[int]) -> tuple[Ids, Ids]:
    """Return ids and labels with each `IMAGE_ID` as often as its picture has visual tokens."""
    ids, labels = np.array(tokens.ids, np.int64), np.array(tokens.labels, np.int64)
    repeats = np.ones(len(ids), np.int64)
    repeats[ids == IMAGE_ID] = lengths
    return np.repeat(ids, repeats), np.repeat(labels, repeats)
