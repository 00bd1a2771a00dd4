"""Prompts with pictures to answers, many at once."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from vlm.data.batch import join_pictures
from vlm.data.document import expand_images
from vlm.data.image import ImageTransform, Picture
from vlm.data.sample import Prompt, Turn
from vlm.data.template import Template
from vlm.data.tokens import Span, tokenize
from vlm.llm.decoding import Decoding
from vlm.model.vision_language import VisionLanguageModel
from vlm.shapes import Tiles, VisualIndex


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
            ValueError: A prompt leaves no room for an answer.
        """
        tokenizer, room = self.model.llm.tokenizer, self.model.llm.context_length
        pictures: dict[bytes, Picture] = {}
        rows = []
        for prompt in prompts:
            span = Span(self.template.prompt([Turn("human", prompt.text)]))
            shown = [self._prepare_picture(pictures, image) for image in prompt.images]
            ids, _ = expand_images(tokenize([span], tokenizer), [len(picture.index) for picture in shown])
            if len(ids) >= room:
                raise ValueError(
                    f"a prompt takes {len(ids)} tokens and llm.context_length is {room}; show fewer visual "
                    f"tokens, or choose an LLM that reads further. It begins: {prompt.text[:80]!r}"
                )
            rows.append(torch.from_numpy(ids))
        tiles, index = join_pictures(
            list(pictures.values()), self.image_transform.tokens_per_tile, self.image_transform.size
        )
        each = torch.split(index, [len(picture.index) for picture in pictures.values()])
        places = dict(zip(pictures, each, strict=True))
        read = [places[image] for prompt in prompts for image in prompt.images]
        seeds = [prompt.seed for prompt in prompts]
        return PreparedPrompts(rows, tiles, torch.cat(read) if read else index, seeds)

    def _prepare_picture(self, pictures: dict[bytes, Picture], image: bytes) -> Picture:
        if image not in pictures:
            pictures[image] = self.image_transform(image)
        return pictures[image]

    def _generate(self, batch: PreparedPrompts) -> list[str]:
        llm, device = self.model.llm, self.model.device
        here = [tensor.to(device) for tensor in (*batch.rows, batch.tiles, batch.visual_index)]
        new_ids = self.model.generate(here[:-2], here[-2], here[-1], self.decoding, batch.seeds)
        # Each by its own room, not the batch's: an answer must not depend on what else is asked.
        whole = [ids[: llm.context_length - len(row)] for ids, row in zip(new_ids, batch.rows, strict=True)]
        texts: list[str] = llm.tokenizer.batch_decode(whole, skip_special_tokens=True)
        return [self.decoding.cut(text).strip() for text in texts]
