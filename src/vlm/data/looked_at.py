"""Samples as they are and with other pictures, or none: what a model loses without the right ones."""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from random import Random

import numpy as np
import torch

from vlm.data.batch import PackedBatch, pack
from vlm.data.document import Document, DocumentReader, expand_images
from vlm.data.gate import NUM_SHARDS, spread
from vlm.data.image import Picture
from vlm.data.packing import Numbers
from vlm.data.sample import IMAGE_PLACEHOLDER, FaultySampleError, Sample
from vlm.data.steps import BLANK
from vlm.data.tokens import IGNORE_ID, Tokens, tokenize

VARIANTS = ("right", "blank", "shuffled", "none")
"""With its own pictures; with as many in the encoder's mean color; with another sample's; without any."""


@dataclass(frozen=True)
class Variants:
    """A sample, and the documents that it becomes.

    Args:
        sample: As it is.
        documents: By variant. The same tokens are supervised in all. A sample of text has the right one
            only, and one whose pictures nobody can exchange has none that is shuffled.
    """

    sample: Sample
    documents: Mapping[str, Document]


class LookedAt:
    """Samples of sources, each in all variants.

    Args:
        readers: Of the sources, by name.
        numbers: Of the samples of each source.
        seed: Of who is shown whose pictures.

    Attributes:
        places: Source and number of each.
    """

    def __init__(
        self, readers: Mapping[str, DocumentReader], numbers: Mapping[str, Sequence[int]], seed: int
    ) -> None:
        self.readers, self.seed = dict(readers), seed
        self.places = [(name, number) for name, these in numbers.items() for number in these]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, place: int) -> Variants | None:
        """Return a sample; None if it, or what it is to be shown, is faulty."""
        name, number = self.places[place]
        reader = self.readers[name]
        try:
            sample = reader.shards[number]
            documents = supervise_alike(self._documents(place, reader, sample))
        except (FaultySampleError, OSError):  # of the record, or of a picture that is none
            return None
        return Variants(sample, documents) if documents else None

    def lay(self, documents: Sequence[Document]) -> PackedBatch:
        """Lay documents into a row; of none, into one that teaches nothing."""
        transform = next(iter(self.readers.values())).image_transform  # tiles are alike for all
        return pack(documents or [BLANK], transform.tokens_per_tile, transform.size)

    def _documents(self, place: int, reader: DocumentReader, sample: Sample) -> dict[str, Document]:
        tokens = reader.tokens(sample)
        pictures = [reader.image_transform(image) for image in sample.images]
        documents = {"right": _document(reader, sample, tokens, pictures)}
        if not pictures:
            return documents
        mean = reader.image_transform.mean
        documents["blank"] = _document(reader, sample, tokens, [_blank(one, mean) for one in pictures])
        if place in self._others:
            name, number = self.places[self._others[place]]
            others = [reader.image_transform(image) for image in self.readers[name].shards[number].images]
            documents["shuffled"] = _document(reader, sample, tokens, others)
        documents["none"] = _document(reader, sample, _without_pictures(reader, sample), [])
        return documents

    @cached_property
    def _others(self) -> dict[int, int]:
        """Return whose pictures each sample is shown, both by place: as many, of its source if it has others.

        Samples that share pictures go on sharing them, so the pictures are no easier to tell apart.
        """
        groups: dict[tuple[str, int], dict[str, int]] = {}
        shown = {}
        for place, (name, number) in enumerate(self.places):
            with suppress(FaultySampleError):
                images = self.readers[name].shards[number].images
                if images:
                    group, digest = (name, len(images)), _digest(images)
                    groups.setdefault(group, {}).setdefault(digest, place)
                    shown[place] = group, digest
        after = {group: _cycle(groups, group, self.seed) for group in groups}
        return {place: after[group][digest] for place, (group, digest) in shown.items() if after[group]}


def choose(readers: Mapping[str, DocumentReader], num_samples: int, seed: int) -> dict[str, list[int]]:
    """Return the samples to look at, by source: what is held out, or a few that are learned from.

    Args:
        readers: Of the sources, by name.
        num_samples: Drawn, if no source holds any out: of each source as many, of its shards that the gate
            has looked at.
        seed: Of the draw.
    """
    held_out = {
        name: list(range(len(reader), len(reader.shards)))
        for name, reader in readers.items()
        if reader.num_held_out
    }
    return held_out or {
        name: sorted(np.random.default_rng([seed, which]).choice(near, count, replace=False).tolist())
        for which, (name, near, count) in enumerate(_quotas(readers, num_samples))
    }


def _quotas(readers: Mapping[str, DocumentReader], num_samples: int) -> list[tuple[str, Numbers, int]]:
    """Return of each source the samples that are at hand, and how many to draw of them."""
    near = {}
    for name, reader in readers.items():
        starts = reader.shards.starts
        shards = spread(0, len(starts) - 1, NUM_SHARDS)
        near[name] = np.concatenate([np.arange(starts[shard], starts[shard + 1]) for shard in shards])
    counts: dict[str, int] = {}
    for place, name in enumerate(sorted(near, key=lambda name: len(near[name]))):  # others give what it lacks
        share = (num_samples - sum(counts.values())) // (len(near) - place)
        counts[name] = min(len(near[name]), share)
    return [(name, numbers, counts[name]) for name, numbers in near.items()]


def supervise_alike(documents: Mapping[str, Document]) -> dict[str, Document]:
    """Supervise in each what can be learned from all, so that their losses are of the same tokens.

    More visual tokens may push an answer's end out of the context; and without any, nothing may stand before
    an answer's first token.

    Args:
        documents: Variants of one sample.

    Returns:
        The variants; none if they have nothing in common.
    """
    places = {name: np.flatnonzero(document.labels != IGNORE_ID) for name, document in documents.items()}
    first = int(any(0 in where for where in places.values()))
    stop = min(len(where) for where in places.values())
    if stop <= first:
        return {}
    alike = {}
    for name, document in documents.items():
        labels, kept = np.full_like(document.labels, IGNORE_ID), places[name][first:stop]
        labels[kept] = document.labels[kept]
        alike[name] = replace(document, labels=labels)
    return alike


def _document(
    reader: DocumentReader, sample: Sample, tokens: Tokens, pictures: Sequence[Picture]
) -> Document:
    ids, labels = expand_images(tokens, [len(picture.index) for picture in pictures])
    return Document(reader.name(sample), *reader.cut(sample, ids, labels), pictures, reader.loss_weight)


def _blank(picture: Picture, mean: Sequence[float]) -> Picture:
    """Return as many tiles in the mean color: rounding apart, zeros once an encoder has normalised them."""
    color = torch.tensor([round(channel * 255) for channel in mean], dtype=torch.uint8)
    return replace(picture, tiles=color.expand(picture.tiles.shape))


def _without_pictures(reader: DocumentReader, sample: Sample) -> Tokens:
    """Return the tokens of the text alone."""
    turns = tuple(replace(turn, text=_without_placeholders(turn.text).strip()) for turn in sample.turns)
    try:
        return reader.tokens(replace(sample, turns=turns, images=()))
    except FaultySampleError:  # a template of a picture and its caption renders nothing without the picture
        spans = reader.template.render(sample.turns)
        bare = [replace(span, text=_without_placeholders(span.text)) for span in spans]
        return tokenize(bare, reader.tokenizer)


def _without_placeholders(text: str) -> str:
    return text.replace(f"{IMAGE_PLACEHOLDER}\n", "").replace(IMAGE_PLACEHOLDER, "")


def _digest(images: Sequence[bytes]) -> str:
    return " ".join(hashlib.sha256(image).hexdigest() for image in images)


def _cycle(
    groups: Mapping[tuple[str, int], Mapping[str, int]], group: tuple[str, int], seed: int
) -> dict[str, int]:
    """Return for each of a group's pictures a sample that shows others: those after it in one cycle of all.

    Args:
        groups: Of a source and a number of pictures: a sample that shows them, by their digest.
        group: The source and the number.
        seed: Of the cycle.
    """
    pool = dict(groups[group])
    if len(pool) == 1:  # no other of its source: one of any source
        pool = {
            digest: place
            for (_, count), found in groups.items()
            for digest, place in found.items()
            if count == group[1]
        }
    if len(pool) == 1:
        return {}
    order = list(pool)
    Random(seed).shuffle(order)
    after = zip(order, order[1:] + order[:1], strict=True)
    return {digest: pool[other] for digest, other in after if digest in groups[group]}
