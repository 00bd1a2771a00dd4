"""A stage at its real sizes, without its weights: what learns, what a picture and what a step take."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from omegaconf import DictConfig, OmegaConf
from PIL import Image

from vlm.build import build_adapter, build_image_transform, plan_model
from vlm.build_data import build_batching
from vlm.config import PARTS, Stage
from vlm.data.image import ImageTransform
from vlm.model.vision_language import VisionLanguageModel
from vlm.sentence import sources
from vlm.study.prove.lint import Level, Lint
from vlm.study.prove.reading import begin_too_late, look_at_data, supervised_tokens
from vlm.training.parts import set_learning


@dataclass(frozen=True)
class Sizes:
    """A stage at its real sizes.

    Args:
        visual_tokens: Of a picture, the fewest and the most.
        supervised: Tokens of a step, on average; None where the data is not there.
        parts: Parameters that learn, and all that there are, by part.
        lints: What is wrong at these sizes.
    """

    visual_tokens: tuple[int, int]
    supervised: float | None
    parts: Mapping[str, tuple[int, int]]
    lints: Sequence[Lint]


def size_up(config: DictConfig, model: VisionLanguageModel) -> Sizes:
    """Return the sizes of a sentence's outermost stage; nothing is downloaded, and no weight is made.

    Args:
        config: The sentence.
        model: Planned; if its tokenizer is not here, it has another's when this is done.

    Raises:
        ValueError: The parts cannot be planned, do not go together, or cannot learn so.
    """
    tokens, context = _visual_tokens(config, model), model.llm.context_length
    reading = look_at_data(config, model)
    lints = [*reading.lints, *begin_too_late(config, reading)]
    if tokens[1] >= context:
        lints.insert(0, _too_long(tokens, context))
    try:
        build_batching(config)
    except ValueError as error:
        lints.append(Lint(Level.error, str(error)))
    return Sizes(tokens, supervised_tokens(config, reading), count_parameters(config), lints)


def count_parameters(config: DictConfig) -> dict[str, tuple[int, int]]:
    """Return of each part how many parameters learn in the outermost stage, and how many there are.

    Raises:
        ValueError: A part cannot learn so, or nothing learns.
    """
    stage = OmegaConf.to_object(config.stage)
    assert isinstance(stage, Stage)
    model = plan_model(config)
    with torch.device("meta"):
        model.configure_model()
        set_learning(model, stage.learns, stage.last_blocks, build_adapter(config))
    counts = {}
    for name in PARTS:
        weights = list(model.get_submodule(name).parameters())
        learning = sum(weight.numel() for weight in weights if weight.requires_grad)
        counts[name] = (learning, sum(weight.numel() for weight in weights))
    return counts


def _visual_tokens(config: DictConfig, model: VisionLanguageModel) -> tuple[int, int]:
    """Return the fewest and the most that a picture takes, over all sources."""
    images = [source.image for source in sources(config).values()]
    rooms = [room for image in images for room in _rooms(build_image_transform(config, model, image))]
    return min(rooms), max(rooms)


def _rooms(transform: ImageTransform) -> list[int]:
    """Return what pictures take, one of each shape that is told from others."""
    shapes = transform.grids if transform.reads_sizes else [(1, 1)]
    return [
        transform.room(_blank(columns * transform.size, rows * transform.size)).tokens
        for rows, columns in shapes
    ]


def _blank(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("1", (width, height)).save(file, "PNG")
    return file.getvalue()


def _too_long(tokens: tuple[int, int], context: int) -> Lint:
    least, most = tokens
    remedy = f"raise llm.context_length={context}, or choose a projector of fewer tokens"
    if least >= context:
        return Lint(Level.error, f"the {least} visual tokens of a picture leave no room for words; {remedy}")
    return Lint(
        Level.warning,
        f"pictures take up to {most} visual tokens, which leave no room for words; {remedy}, or "
        "stage.image.grids of fewer tiles",
    )
