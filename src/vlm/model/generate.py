"""Prompts with pictures to answers, many at once."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from vlm.data.batch import join_pictures
from vlm.data.document import expand_images
from vlm.data.image import ImageTransform, Picture
from vlm.data.sample import IMAGE_PLACEHOLDER, Prompt, Turn
from vlm.data.template import Template
from vlm.data.tokens import Span, tokenize
from vlm.llm.decoding import Decoding
from vlm.model.vision_language import VisionLanguageModel
from vlm.shapes import Tiles, TokenIds, VisualIndex


class ContextError(ValueError):
    """A prompt leaves no room for an answer.

    Args:
        num_tokens: That the prompt takes.
        room: Tokens that the LLM reads.
        text: Of the prompt; its beginning is said.
    """

    def __init__(self, num_tokens: int, room: int, text: str) -> None:
        super().__init__(
            f"a prompt takes {num_tokens} tokens and llm.context_length is {room}; show fewer visual "
            f"tokens, or choose an LLM that reads further. It begins: {text[:80]!r}"
        )
        self.num_tokens, self.room = num_tokens, room


@dataclass(frozen=True)
class PreparedPrompt:
    """A prompt, in tokens and pictures.

    Args:
        ids: With `IMAGE_ID` once for each visual token.
        images: Files of its pictures, which tell whether two prompts show the same.
        pictures: The same, prepared.
        seed: Of the words that are drawn for its answer.
    """

    ids: TokenIds
    images: Sequence[bytes]
    pictures: Sequence[Picture]
    seed: int


@dataclass(frozen=True)
class PreparedPrompts:
    """A batch of prompts, in tokens and pixels.

    Args:
        rows: Ids of each, with `IMAGE_ID` once for each visual token.
        tiles: Of all pictures; one that several prompts show is here once.
        visual_index: Which visual tokens of the tiles the rows read, in order.
        seeds: Of each prompt.
    """

    rows: Sequence[Tensor]  # of several lengths, which no named axis could be
    tiles: Tiles
    visual_index: VisualIndex
    seeds: Sequence[int]


class Answerer:
    """Answer prompts as the model was tuned to.

    Args:
        model: Built, in evaluation mode.
        template: The one that the model was tuned with.
        image_transform: The one that the model was tuned with.
        decoding: How words are chosen.
    """

    def __init__(
        self,
        model: VisionLanguageModel,
        template: Template,
        image_transform: ImageTransform,
        decoding: Decoding,
    ) -> None:
        self.model, self.template = model, template
        self.image_transform, self.decoding = image_transform, decoding

    def __call__(self, prompts: Sequence[Prompt]) -> list[str]:
        """Answer one batch."""
        return self._generate(self.prepare(prompts))

    def stream(self, batches: Iterable[Sequence[Prompt]]) -> Iterator[list[str]]:
        """Answer batch after batch; while one is answered, the next one's pictures are prepared."""
        with ThreadPoolExecutor(1) as ahead:
            waiting = None
            for batch in batches:
                prepared = ahead.submit(self.prepare, batch)
                if waiting is not None:
                    yield self._generate(waiting.result())
                waiting = prepared
            if waiting is not None:
                yield self._generate(waiting.result())

    def prepare(self, prompts: Sequence[Prompt]) -> PreparedPrompts:
        """Return a batch in tokens and pixels.

        Raises:
            ValueError: A prompt leaves no room for an answer, or does not fit the template.
        """
        pictures: dict[bytes, Picture] = {}
        return self.join([self.prepare_one(prompt, pictures) for prompt in prompts])

    def prepare_one(self, prompt: Prompt, pictures: dict[bytes, Picture]) -> PreparedPrompt:
        """Return a prompt in tokens and pictures.

        Args:
            prompt: What is asked.
            pictures: Those that are prepared already, by their files; the prompt's own are added.

        Raises:
            ContextError: It leaves no room for an answer.
            ValueError: It does not fit the template.
            OSError: A picture cannot be decoded.
        """
        text = self.template.prompt([*prompt.earlier, Turn("human", prompt.text)])
        if text.count(IMAGE_PLACEHOLDER) != len(prompt.images):
            raise ValueError(
                f"the prompt has {text.count(IMAGE_PLACEHOLDER)} {IMAGE_PLACEHOLDER} for "
                f"{len(prompt.images)} pictures; give each picture its place"
            )
        for image in prompt.images:
            if image not in pictures:
                pictures[image] = self.image_transform(image)
        shown = [pictures[image] for image in prompt.images]
        tokens = tokenize([Span(text)], self.model.llm.tokenizer)
        ids, _ = expand_images(tokens, [len(picture.index) for picture in shown])
        room = self.model.llm.context_length
        if len(ids) >= room:
            raise ContextError(len(ids), room, prompt.text)
        return PreparedPrompt(torch.from_numpy(ids), prompt.images, shown, prompt.seed)

    def join(self, prepared: Sequence[PreparedPrompt]) -> PreparedPrompts:
        """Return prompts as one batch."""
        pictures = {
            image: picture
            for one in prepared
            for image, picture in zip(one.images, one.pictures, strict=True)
        }
        tiles, index = join_pictures(
            list(pictures.values()), self.image_transform.tokens_per_tile, self.image_transform.size
        )
        each = torch.split(index, [len(picture.index) for picture in pictures.values()])
        places = dict(zip(pictures, each, strict=True))
        read = [places[image] for one in prepared for image in one.images]
        rows, seeds = [one.ids for one in prepared], [one.seed for one in prepared]
        return PreparedPrompts(rows, tiles, torch.cat(read) if read else index, seeds)

    def _generate(self, batch: PreparedPrompts) -> list[str]:
        llm, device = self.model.llm, self.model.device
        here = [tensor.to(device) for tensor in (*batch.rows, batch.tiles, batch.visual_index)]
        new_ids = self.model.generate(here[:-2], here[-2], here[-1], self.decoding, batch.seeds)
        # Each by its own room, not the batch's: an answer must not depend on what else is asked.
        whole = [ids[: llm.context_length - len(row)] for ids, row in zip(new_ids, batch.rows, strict=True)]
        texts: list[str] = llm.tokenizer.batch_decode(whole, skip_special_tokens=True)
        return [self.decoding.cut(text).strip() for text in texts]
