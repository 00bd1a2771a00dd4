"""Config to objects: the only file that instantiates, and the only place where the parts meet."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig, OmegaConf

from vlm import ranks
from vlm.adapter.base import Adapter
from vlm.checkpoint import locate_all
from vlm.config import Stage, Trainer
from vlm.data.image import ImageTransform
from vlm.data.template import Template
from vlm.encoder.base import Encoder
from vlm.few_bits import keep_in_few_bits, require_few_bits
from vlm.instantiate import make
from vlm.llm.base import LLM
from vlm.llm.decoding import Decoding
from vlm.model.flops import ModelFlops, count_flops
from vlm.model.generate import Answerer
from vlm.model.vision_language import VisionLanguageModel
from vlm.paths import projector_file
from vlm.projector.base import Projector
from vlm.sentence import sources
from vlm.strategy.base import Strategy
from vlm.tracking.base import Tracker
from vlm.training.parts import set_learning
from vlm.training.plan import Plan, device_of
from vlm.training.task import Task
from vlm.values import ImageMode, Learning, Merge, Parity, Quantization


def plan_model(config: DictConfig) -> VisionLanguageModel:
    """Return the three parts, joined, not yet built, and their files not looked for."""
    encoder: Encoder = make(config.encoder, config.twin)
    llm: LLM = make(config.llm, config.twin)
    sizes = {"vision_dim": encoder.vision_dim, "text_dim": llm.text_dim, "grid": encoder.grid}
    projector: Projector = make(config.projector, config.twin, **sizes)
    weights = config.projector.weights
    starting = None if weights == "random" or config.twin else projector_file(weights)
    return VisionLanguageModel(encoder, projector, llm, starting, _ends_rows(config.stage, config.mixture))


def _ends_rows(stage: DictConfig, mixture: Mapping[str, Any]) -> bool:
    """Whether a stage, or one before it, reads rows that end with a learned vector."""
    images = [stage.image, *(source.image for source in mixture.values() if source.image is not None)]
    here = any(image.mode is ImageMode.anyres and image.merge is Merge.unpad for image in images)
    return here or (stage.after is not None and _ends_rows(stage.after, stage.after.mixture or {}))


def build_model(config: DictConfig) -> VisionLanguageModel:
    """Return the three parts, joined and not yet built.

    Raises:
        ValueError: Files of a part are missing; one message names those of all parts.
    """
    model = plan_model(config)
    if config.stage.learns.get("llm") is Learning.adapter:
        model.llm.quantization = build_adapter(config).quantization
    locate_all([model.encoder.locate, model.llm.locate])
    return model


def check_parts(config: DictConfig) -> None:
    """Raise what is wrong with the outermost stage's parts, before any stage has trained.

    Raises:
        ValueError: Files of a part are missing, or parts do not go together.
    """
    build_image_transform(config, build_model(config))


def build_adapter(config: DictConfig) -> Adapter:
    """Return the adapter that parts may learn by."""
    adapter: Adapter = make(config.adapter, config.twin)
    return adapter


def build_template(config: DictConfig, model: VisionLanguageModel, own: DictConfig | None = None) -> Template:
    """Return a source's own template, the stage's, or the LLM's."""
    chosen = own or config.stage.template or config.llm.template
    if config.parity is Parity.llava and "legacy" in chosen:
        chosen = OmegaConf.merge(chosen, {"legacy": "llava"})
    template: Template = make(chosen)
    return template.of(model.llm.tokenizer)


def build_image_transform(
    config: DictConfig, model: VisionLanguageModel, image: DictConfig | None = None
) -> ImageTransform:
    """Return a way to prepare pictures for the encoder: a source's own, or the stage's."""
    encoder = model.encoder
    image = config.stage.image if image is None else image
    return ImageTransform(
        encoder.image_size,
        encoder.mean,
        token_grid=model.projector.output_grid,
        mode=image.mode.value,
        grids=image.grids,
        merge=image.merge.value,
    )


def build_strategy(config: DictConfig) -> Strategy:
    """Return how the model is spread over devices."""
    strategy: Strategy = make(config.strategy)
    return strategy


def build_task(
    config: DictConfig,
    model: VisionLanguageModel,
    num_steps: int,
    starting_weights: Sequence[Path],
    strategy: Strategy | None = None,
) -> Task:
    """Return the outermost stage's training of the model, spread as the sentence says or otherwise."""
    stage, trainer = OmegaConf.to_object(config.stage), OmegaConf.to_object(config.trainer)
    assert isinstance(stage, Stage)
    assert isinstance(trainer, Trainer)
    by_row = config.parity is Parity.llava
    plan = Plan(stage, trainer, num_steps, config.seed, starting_weights, list(sources(config)), by_row)
    return Task(model, build_adapter(config), strategy or build_strategy(config), plan)


def build_flops(config: DictConfig) -> ModelFlops:
    """Return what a row costs to learn from in the outermost stage; nothing is loaded.

    Raises:
        ValueError: It depends on values.
    """
    stage = OmegaConf.to_object(config.stage)
    assert isinstance(stage, Stage)
    model = plan_model(config)
    with torch.device("meta"):
        model.configure_model()
        set_learning(model, stage.learns, stage.last_blocks, build_adapter(config))
    return count_flops(model)


def build_trainer(
    config: DictConfig, task: Task, callbacks: Sequence[lightning.Callback], logger: Any
) -> lightning.Trainer:
    """Return Lightning's trainer for this process.

    Raises:
        ValueError: The machine lacks the accelerator, or there is no such precision.
    """
    settings: Trainer = config.trainer
    strategy, precision = task.strategy.lightning(settings.precision)
    try:
        return lightning.Trainer(
            accelerator=settings.accelerator,
            devices=config.devices,
            num_nodes=config.nodes,
            strategy=strategy,
            precision=precision,
            max_steps=task.plan.num_steps - task.first_step,
            max_epochs=-1,
            logger=False if ranks.rank() else logger or False,
            callbacks=list(callbacks),
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
            log_every_n_steps=1,  # ours is the Recorder's
        )
    except (ValueError, MisconfigurationException) as error:
        raise ValueError(
            f"trainer.accelerator={settings.accelerator}, trainer.precision={settings.precision}, "
            f"devices={config.devices}: {error}; trainer=cpu runs anywhere"
        ) from error


def build_tracker(config: DictConfig) -> Tracker:
    """Return where runs are recorded."""
    tracker: Tracker = make(config.tracking)
    return tracker


def build_decoding(config: DictConfig, max_new_tokens: int) -> Decoding:
    """Return how the sentence chooses an answer's words."""
    settings = config.evaluation.decoding
    return Decoding(
        max_new_tokens,
        settings.temperature,
        settings.top_p,
        settings.top_k,
        settings.num_beams,
        tuple(settings.stop),
    )


def ready_to_answer(config: DictConfig, model: VisionLanguageModel) -> VisionLanguageModel:
    """Return a built model on its device, in as many bits as the sentence answers in.

    Raises:
        ValueError: This machine cannot hold it in so few.
    """
    settings, device = config.evaluation, device_of(config.trainer.accelerator)
    model = model.to(getattr(torch, settings.precision.value))
    if settings.quantization is not Quantization.none:
        word = f"evaluation.quantization={settings.quantization.value}"
        require_few_bits(word, "leave it out", on_cuda=device.startswith("cuda"))
        keep_in_few_bits(model.llm.get_submodule("network"), settings.quantization)
    return model.to(device)


def build_answerer(config: DictConfig, model: VisionLanguageModel, max_new_tokens: int) -> Answerer:
    """Return what answers as the outermost stage tuned the model to."""
    transform = build_image_transform(config, model)
    return Answerer(model, model.llm.template, transform, build_decoding(config, max_new_tokens))
