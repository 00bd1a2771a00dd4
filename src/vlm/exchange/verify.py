"""Whether a model that was written and read again is the same: logits and greedy words on sample pictures."""

import io
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoProcessor

from vlm.data.batch import Edges
from vlm.data.sample import IMAGE_PLACEHOLDER, Prompt, Sample
from vlm.data.tokens import IMAGE_ID
from vlm.model.generate import Answerer

TOLERANCE = 1e-4
"""Between logits in float32, and of the largest of them where that is above 1."""
QUESTIONS = ("What is in the picture?", "How many things are there?", "Describe it in a few words.")
SIZES = ((60, 60), (97, 64), (50, 131))
"""Of the pictures that are drawn: square, wide and tall, of odd sides."""


@dataclass(frozen=True)
class Said:
    """What a model makes of one prompt.

    Args:
        ids: Of the prompt, `IMAGE_ID` at visual tokens.
        logits: Of the next word at each place.
        answer: Ids of its greedy answer, without what ends it.
    """

    ids: list[int]
    logits: Tensor
    answer: list[int]


@dataclass(frozen=True)
class Verified:
    """What a comparison came to.

    Args:
        prompts: Asked.
        difference: Largest, between logits.
        words: Compared.
        pixels: Largest difference that transformers' default processor makes to a channel's value, of 255
            steps; None where transformers has no part in it.
    """

    prompts: int
    difference: float
    words: int
    pixels: float | None = None

    def __str__(self) -> str:
        text = (
            f"{self.prompts} prompts: logits differ by at most {self.difference:.1e}, "
            f"{self.words} greedy tokens are equal"
        )
        return text + (
            f"; its default processor moves pixels by {self.pixels:.1f} of 255" if self.pixels else ""
        )


def drawn_prompts() -> list[Prompt]:
    """Return questions about pictures that are drawn here, the last about two."""
    drawn = [_draw(size, number) for number, size in enumerate(SIZES)]
    single = [
        Prompt(f"{IMAGE_PLACEHOLDER}\n{question}", (picture,))
        for question, picture in zip(QUESTIONS, drawn, strict=True)
    ]
    return [*single, Prompt(f"{IMAGE_PLACEHOLDER}\n" * 2 + "Are they alike?", (drawn[1], drawn[0]))]


def fitting(answerer: Answerer, prompts: Sequence[Prompt]) -> list[Prompt]:
    """Return the prompts that leave room for an answer, and whose pictures the template has a place for.

    Raises:
        ValueError: None does.
    """
    found = []
    for prompt in prompts:
        with suppress(ValueError):
            answerer.prepare([prompt])
            found.append(prompt)
    if not found:
        raise ValueError(
            f"no sample picture leaves room for an answer within llm.context_length="
            f"{answerer.model.llm.context_length}; raise it"
        )
    return found


def _draw(size: tuple[int, int], seed: int) -> bytes:
    """Return a PNG of shapes on a smooth ground."""
    random, (width, height) = np.random.default_rng(seed), size
    ground = np.stack(np.meshgrid(np.linspace(0, 255, width), np.linspace(255, 0, height)), -1)
    picture = Image.fromarray(np.dstack([ground, np.full((height, width), 90.0)]).astype(np.uint8))
    pen = ImageDraw.Draw(picture)
    for _ in range(4):
        left, top = int(random.integers(0, width // 2)), int(random.integers(0, height // 2))
        box = (left, top, left + width // 3, top + height // 3)
        color = tuple(int(value) for value in random.integers(0, 256, 3))
        (pen.ellipse if random.integers(2) else pen.rectangle)(box, fill=color)
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


@torch.no_grad()
def ask_ours(answerer: Answerer, prompts: Sequence[Prompt]) -> list[Said]:
    """Return what our model says.

    Args:
        answerer: The model, its template, how it prepares pictures; how long an answer is.
        prompts: Asked one by one.
    """
    model, decoding = answerer.model, answerer.decoding
    ends = {*model.llm.stop_ids, model.llm.tokenizer.pad_token_id}
    said = []
    for prompt in prompts:
        ready = answerer.prepare([prompt])
        [ids] = ready.rows
        sequence = model.embed(ids, ready.tiles, ready.visual_index)
        hidden = model.llm(sequence, torch.arange(len(ids)), Edges.of([len(ids)]))
        logits = hidden @ model.llm.head.T
        if model.llm.logit_cap is not None:
            logits = model.llm.logit_cap * torch.tanh(logits / model.llm.logit_cap)
        [answer] = model.generate([ids], ready.tiles, ready.visual_index, decoding, [0])
        said.append(Said(ids.tolist(), logits.float(), _until(answer.tolist(), ends)))
    return said


@torch.no_grad()
def ask_transformers(folder: Path, prompts: Sequence[Prompt], max_new_tokens: int) -> list[Said]:
    """Return what a folder says in plain transformers, its pictures resized by PIL as ours are.

    Args:
        folder: With a model, a processor and a chat template.
        prompts: Asked one by one.
        max_new_tokens: Of an answer.
    """
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    processor = exact_processor(folder)
    ends = {*_listed(model.generation_config.eos_token_id), model.generation_config.pad_token_id}
    image_id = model.config.image_token_index
    said = []
    for prompt in prompts:
        inputs = inputs_of(processor, prompt)
        ids = inputs["input_ids"][0]
        logits = model(**inputs).logits[0].float()
        whole = model.generate(**inputs, max_new_tokens=max_new_tokens)[0]
        answer = _until(whole[len(ids) :].tolist(), ends)
        said.append(Said(ids.masked_fill(ids == image_id, IMAGE_ID).tolist(), logits, answer))
    return said


def exact_processor(folder: Path) -> Any:
    """Return a folder's processor, with the form that resizes pictures by PIL."""
    processor = AutoProcessor.from_pretrained(folder)
    processor.image_processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    return processor


def inputs_of(processor: Any, prompt: Prompt) -> Any:
    """Return a prompt as transformers' model takes it."""
    pictures = [Image.open(io.BytesIO(image)).convert("RGB") for image in prompt.images]
    text = prompt.text.removeprefix(f"{IMAGE_PLACEHOLDER}\n" * len(pictures))
    content = [{"type": "image", "image": picture} for picture in pictures] + [{"type": "text", "text": text}]
    return processor.apply_chat_template(
        [{"role": "user", "content": content}],
        tokenize=True,
        add_generation_prompt=True,
        return_dict=True,
        return_tensors="pt",
    )


def pixel_difference(folder: Path, prompts: Sequence[Prompt]) -> float:
    """Return by how much the default processor's pixels differ from PIL's, of 255 steps."""
    largest = 0.0
    plain, exact = (
        AutoProcessor.from_pretrained(folder).image_processor,
        exact_processor(folder).image_processor,
    )
    for prompt in prompts:
        for image in prompt.images:
            picture = Image.open(io.BytesIO(image)).convert("RGB")
            one, other = (
                processor(picture, return_tensors="pt").pixel_values for processor in (plain, exact)
            )
            std = torch.tensor(exact.image_std).view(3, 1, 1)
            largest = max(largest, float(((one - other) * std).abs().max()) * 255)
    return largest


class DifferentError(ValueError):
    """What is read again is not what was written; the message says in what."""


def compare(
    ours: Sequence[Said], theirs: Sequence[Said], where: str, pixels: float | None = None
) -> Verified:
    """Hold what one model says to what another does.

    Args:
        ours: Before.
        theirs: Of what was read again; it may have more words.
        where: What was read, for messages.
        pixels: As `Verified` has it.

    Raises:
        DifferentError: They differ.
    """
    largest, words = 0.0, 0
    for number, (one, other) in enumerate(zip(ours, theirs, strict=True), 1):
        if one.ids != other.ids:
            raise DifferentError(
                f"{where} reads prompt {number} as other tokens: {_parting(one.ids, other.ids)}"
            )
        logits = other.logits[:, : one.logits.shape[1]]
        difference = float((one.logits - logits).abs().max())
        if not difference <= TOLERANCE * max(1.0, float(one.logits.abs().max())):
            raise DifferentError(
                f"{where} gives other logits: they differ by {difference:.2e} on prompt {number}; nothing "
                "was exported"
            )
        if one.answer != other.answer:
            raise DifferentError(
                f"{where} answers prompt {number} with other tokens: {_parting(one.answer, other.answer)}"
            )
        largest, words = max(largest, difference), words + len(one.answer)
    return Verified(len(ours), largest, words, pixels)


def _parting(one: Sequence[int], other: Sequence[int]) -> str:
    place = next(
        (place for place, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]),
        min(len(one), len(other)),
    )
    shown = [list(ids[max(0, place - 1) : place + 3]) for ids in (one, other)]
    return f"from place {place} {shown[1]}, not {shown[0]}; nothing was exported"


def _until(ids: Sequence[int], ends: set[int]) -> list[int]:
    """Return the ids before the first that ends an answer."""
    stop = next((place for place, number in enumerate(ids) if number in ends), len(ids))
    return list(ids[:stop])


def _listed(value: int | list[int]) -> list[int]:
    return [value] if isinstance(value, int) else value


def sample_prompts(samples: Sequence[Sample]) -> list[Prompt]:
    """Return the first questions of samples that show one picture each.

    Args:
        samples: As sources hold them.
    """
    prompts = []
    for sample in samples:
        text = sample.turns[0].text.replace(IMAGE_PLACEHOLDER, "").strip()
        prompts.append(Prompt(f"{IMAGE_PLACEHOLDER}\n{text}", tuple(sample.images)))
    return prompts
