"""Config to objects: the only file that instantiates, and the only place where the parts meet."""

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning
from hydra.utils import get_class, instantiate
from lightning.fabric.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig, OmegaConf

from vlm.adapter.base import Adapter
from vlm.benchmark.base import Benchmark
from vlm.benchmark.evaluate import Answerer
from vlm.checkpoint import locate_all
from vlm.config import ImageMode, Learning, Merge, Stage, Trainer
from vlm.data.document import DocumentReader
from vlm.data.image import ImageTransform
from vlm.data.module import DataModule
from vlm.data.shards import ShardSource
from vlm.data.steps import Batching, StepDataset
from vlm.data.template import Template
from vlm.encoder.base import Encoder
from vlm.llm.base import LLM
from vlm.model.generate import answer
from vlm.model.vision_language import VisionLanguageModel
from vlm.paths import projector_file
from vlm.projector.base import Projector
from vlm.sentence import PlannedStage, source_shards, sources
from vlm.tracking.base import Tracker
from vlm.training.progress import ProgressBar
from vlm.training.resume import Resumable
from vlm.training.task import Task

FOR_OTHERS = {"made_by", "weights"}
"""Who makes a benchmark's data; the file that a projector starts from."""


def _make(node: DictConfig, twin: bool = False, **sizes: Any) -> Any:
    """Instantiate with plain lists and dicts; keys that the class does not take are for others to read."""
    plain = OmegaConf.to_container(node, resolve=True)
    assert isinstance(plain, dict)
    taken = inspect.signature(get_class(plain["_target_"])).parameters
    for key in FOR_OTHERS - set(taken):
        plain.pop(key, None)
    return instantiate(_twins(plain) if twin else plain, _convert_="all", **sizes)


def _twins(node: Any) -> Any:
    """Return the settings of a part's small twin, inner parts first."""
    if not isinstance(node, dict):
        return node
    inner = {key: _twins(value) for key, value in node.items()}
    kind: Any = get_class(inner["_target_"]) if "_target_" in inner else None
    return kind.twin(inner) if hasattr(kind, "twin") else inner


def plan_model(config: DictConfig) -> VisionLanguageModel:
    """Return the three parts, joined, not yet built, and their files not looked for."""
    encoder: Encoder = _make(config.encoder, config.twin)
    llm: LLM = _make(config.llm, config.twin)
    sizes = {"vision_dim": encoder.vision_dim, "text_dim": llm.text_dim, "grid": encoder.grid}
    projector: Projector = _make(config.projector, config.twin, **sizes)
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
    adapter: Adapter = _make(config.adapter, config.twin)
    return adapter


def build_template(config: DictConfig, model: VisionLanguageModel, own: DictConfig | None = None) -> Template:
    """Return a source's own template, the stage's, or the LLM's."""
    chosen = config.stage.template if own is None else own
    if chosen is None:
        return model.llm.template
    template: Template = _make(chosen)
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


def build_readers(config: DictConfig, model: VisionLanguageModel) -> dict[str, DocumentReader]:
    """Return the outermost stage's sources, each read by its own template and image rule or the stage's.

    Raises:
        ValueError: A source's shards do not hold what they must.
    """
    return {
        name: DocumentReader(
            _shard_source(config, name),
            build_template(config, model, source.template),
            model.llm.tokenizer,
            build_image_transform(config, model, source.image),
            model.llm.context_length,
            source.loss_weight,
        )
        for name, source in sources(config).items()
    }


def _shard_source(config: DictConfig, name: str) -> ShardSource:
    source, count = ShardSource(name, source_shards(config, name)), config.mixture[name].count
    if count not in (None, len(source)):
        raise ValueError(
            f"mixture.{name}.count={count}, but its shards hold {len(source)} samples; find out why, or say "
            f"mixture.{name}.count=null"
        )
    return source


def build_dataset(config: DictConfig, model: VisionLanguageModel) -> StepDataset:
    """Return the steps of the outermost stage.

    Raises:
        ValueError: There would be none.
    """
    stage, trainer = config.stage, config.trainer
    readers = build_readers(config, model)
    num_drawn = draw_counts(config, {name: len(reader.shards) for name, reader in readers.items()})
    batching = Batching(
        stage.batching.mode.value, stage.batch_size, stage.batching.window, trainer.tokens_per_row,
        trainer.samples_per_row,
    )  # fmt: skip
    num_samples = (
        round(sum(num_drawn.values()) * stage.epochs)
        if stage.steps is None
        else stage.steps * stage.batch_size
    )
    if trainer.max_steps is not None:
        num_samples = min(num_samples, trainer.max_steps * stage.batch_size)
    cache = Path(config.paths.cache) / "measures"
    return StepDataset(readers, num_drawn, batching, num_samples, config.seed, cache, trainer.on_error)


def draw_counts(config: DictConfig, sizes: Mapping[str, int]) -> dict[str, int]:
    """Return how many samples an epoch reads of each source.

    Args:
        config: The sentence.
        sizes: Samples that each source has.
    """
    wanted = {name: source.samples or sizes[name] * source.weight for name, source in sources(config).items()}
    flat = {name: count ** (1 / config.stage.temperature) for name, count in wanted.items()}
    scale = sum(wanted.values()) / sum(flat.values())
    return {name: round(scale * count) for name, count in flat.items()}


def build_data(config: DictConfig, model: VisionLanguageModel) -> DataModule:
    """Return the outermost stage's data."""
    return DataModule(build_dataset(config, model), config.trainer.num_workers)


def build_task(
    config: DictConfig, model: VisionLanguageModel, num_steps: int, starting_weights: Sequence[Path]
) -> Task:
    """Return the outermost stage's training of the model."""
    stage = OmegaConf.to_object(config.stage)
    assert isinstance(stage, Stage)
    learning = (stage.learns, stage.last_blocks, build_adapter(config))
    return Task(model, learning, stage.optimizer, num_steps, config.seed, starting_weights)


def build_trainer(planned: PlannedStage, num_steps: int, logger: Any) -> lightning.Trainer:
    """Return Lightning's trainer for one process.

    Raises:
        ValueError: The machine lacks the accelerator, or there is no such precision.
    """
    settings: Trainer = planned.config.trainer
    planned.folder.path.mkdir(parents=True, exist_ok=True)
    callbacks = [
        ProgressBar(planned.name, num_steps),
        Resumable(planned.folder.checkpoint, settings.checkpoint_every),
    ]
    try:
        return lightning.Trainer(
            accelerator=settings.accelerator,
            devices=1,
            precision=settings.precision,  # type: ignore[arg-type]
            max_steps=num_steps,
            max_epochs=-1,
            log_every_n_steps=min(settings.log_every, num_steps),  # a short stage logs at its end
            logger=logger or False,
            callbacks=callbacks,
            default_root_dir=planned.folder.path,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )
    except (ValueError, MisconfigurationException) as error:
        raise ValueError(
            f"trainer.accelerator={settings.accelerator}, trainer.precision={settings.precision}: {error}; "
            "trainer=cpu runs anywhere"
        ) from error


def build_tracker(config: DictConfig) -> Tracker:
    """Return where runs are recorded."""
    tracker: Tracker = _make(config.tracking)
    return tracker


def build_benchmarks(config: DictConfig) -> Mapping[str, Benchmark]:
    """Return the benchmarks by name."""
    return {str(name): _make(node) for name, node in config.evaluation.benchmarks.items()}


def build_answerer(config: DictConfig, model: VisionLanguageModel) -> Answerer:
    """Return a function from questions to answers, as the outermost stage tuned the model to answer."""
    template, transform = model.llm.template, build_image_transform(config, model)

    def answerer(questions: Sequence[tuple[str, Sequence[bytes]]], max_new_tokens: int) -> list[str]:
        return answer(model, template, transform, questions, max_new_tokens)

    return answerer
