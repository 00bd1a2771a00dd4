"""Small models of ours, to be written for others and read again."""

from collections.abc import Sequence
from pathlib import Path

import torch
from omegaconf import DictConfig
from torch import Tensor

from vlm.build import build_image_transform, build_model
from vlm.compose import compose_sentence
from vlm.data.image import ImageTransform
from vlm.data.sample import Prompt
from vlm.exchange.places import pieces_of
from vlm.exchange.verify import Said, ask_ours, drawn_prompts
from vlm.llm.decoding import Decoding
from vlm.model.generate import Answerer
from vlm.model.vision_language import VisionLanguageModel

SINGLE = ("stage=single", "mixture=shapes_captions")
WORDS = ("red", "square", "circle", "left", "how many", "text", "blue", "above", "picture", "colors")


def make(*words: str, lively: bool = False) -> tuple[VisionLanguageModel, DictConfig, ImageTransform]:
    """A model of the words, its config, and how it prepares pictures."""
    torch.manual_seed(0)
    config = compose_sentence([*SINGLE, *words]).config
    model = build_model(config)
    model.configure_model()
    if lively:
        with torch.no_grad():
            for weight in model.parameters():
                weight.copy_(torch.randn_like(weight) * (0.2 if weight.ndim > 1 else 0.1))
                if weight.ndim == 1:
                    weight.add_(0.7)
    return model.eval(), config, build_image_transform(config, model)


def many_prompts(number: int) -> list[Prompt]:
    """Questions of several lengths about drawn pictures."""
    drawn = drawn_prompts()
    return [
        Prompt(f"<image>\nIs the {WORDS[n % 10]} {' '.join(WORDS[: n % 7])}?", drawn[n % 3].images)
        for n in range(number)
    ]


def said_by(
    model: VisionLanguageModel, transform: ImageTransform, prompts: Sequence[Prompt], new_tokens: int = 8
) -> list[Said]:
    """What ours says."""
    return ask_ours(Answerer(model, model.llm.template, transform, Decoding(new_tokens)), prompts)


def assert_same_weights(one: VisionLanguageModel, other: VisionLanguageModel) -> None:
    """To the bit; the other may have words that stand for pictures."""
    mine, its = pieces_of(one), pieces_of(other)
    assert mine.keys() == its.keys()
    for name, tensor in mine.items():
        assert torch.equal(tensor, its[name][: len(tensor)] if tensor.ndim else its[name]), name


def largest_difference(mine: Sequence[Said], its: Sequence[Said]) -> float:
    """Between logits of the words that both have."""
    return max(
        float((a.logits - b.logits[:, : a.logits.shape[1]]).abs().max())
        for a, b in zip(mine, its, strict=True)
    )


def files_of(folder: Path) -> set[str]:
    """Names of what lies in a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def spread(said: Sequence[Said]) -> int:
    """How many different words were said: a model that always says the same would prove nothing."""
    return len({word for one in said for word in one.answer})


def weight(model: VisionLanguageModel, name: str) -> Tensor:
    """One of its pieces."""
    return pieces_of(model)[name]
