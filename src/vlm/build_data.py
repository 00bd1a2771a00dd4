"""Config to data: a mixture's sources, the steps of a stage, what is held out."""

from collections.abc import Callable, Mapping
from pathlib import Path

from omegaconf import DictConfig

from vlm.build import build_flops, build_image_transform, build_template
from vlm.data.document import DocumentReader
from vlm.data.gate import spread
from vlm.data.held_out import HeldOut
from vlm.data.module import DataModule
from vlm.data.shards import ShardSource
from vlm.data.spending import MOST_STEPS, Cost, steps_within
from vlm.data.steps import Batching, StepDataset
from vlm.model.vision_language import VisionLanguageModel
from vlm.sentence import source_shards, sources
from vlm.values import BatchingMode, Parity, Spending

LOOKED_AT = 200
"""Samples of a source, for a text that is to be cut from it."""


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
            source.held_out,
        )
        for name, source in sources(config).items()
    }


def _shard_source(config: DictConfig, name: str) -> ShardSource:
    count, without_text = config.mixture[name].count, config.mixture[name].without_text or ""
    source = ShardSource(name, source_shards(config, name), without_text)
    if without_text and not config.twin:
        _require_text(source)
    if config.mixture[name].held_out >= len(source):
        raise ValueError(
            f"mixture.{name}.held_out={config.mixture[name].held_out} leaves nothing of its {len(source)} "
            "samples to learn from; lower it"
        )
    if count not in (None, len(source)) and not config.twin:
        raise ValueError(
            f"mixture.{name}.count={count}, but its shards hold {len(source)} samples; find out why, or say "
            f"mixture.{name}.count=null"
        )
    return source


def _require_text(source: ShardSource) -> None:
    """Refuse to cut what is not there.

    Raises:
        ValueError: No sample that is looked at says it.
    """
    whole = ShardSource(source.name, source.shards)
    looked_at = spread(0, len(whole), LOOKED_AT)
    samples = (whole.sample(int(number), with_images=False) for number in looked_at)
    if not any(source.without_text in turn.text for sample in samples for turn in sample.turns):
        raise ValueError(
            f"mixture.{source.name}.without_text={source.without_text!r} stands in none of the "
            f"{len(looked_at)} samples that were looked at; correct it, or set it to null"
        )


def build_dataset(config: DictConfig, model: VisionLanguageModel) -> StepDataset:
    """Return the steps of the outermost stage.

    Raises:
        ValueError: There would be none.
    """
    readers = build_readers(config, model)
    num_drawn = draw_counts(config, {name: len(reader) for name, reader in readers.items()})
    batching, cache = build_batching(config), Path(config.paths.cache) / "measures"

    def of(num_samples: int) -> StepDataset:
        dataset = StepDataset(
            readers, num_drawn, batching, num_samples, config.seed, cache, config.trainer.on_error
        )
        if config.trainer.compile:
            dataset.row_size = config.trainer.tokens_per_row
        return dataset

    return of(_num_samples(config, sum(num_drawn.values()), of))


def _num_samples(config: DictConfig, epoch_size: int, of: Callable[[int], StepDataset]) -> int:
    """Return how many samples the outermost stage reads.

    Args:
        config: The sentence.
        epoch_size: Samples of an epoch.
        of: Returns the steps of so many samples.

    Raises:
        ValueError: The budget pays for none, or is of what a dataset does not know.
    """
    stage, budget, most = config.stage, config.budget, config.trainer.max_steps
    if budget.of is Spending.samples:
        num_samples = round(budget.amount)
    elif budget.of is not None:
        endless = of(MOST_STEPS * stage.batch_size)
        num_samples = stage.batch_size * steps_within(endless, build_cost(config), budget.amount, most)
    elif stage.steps is None:
        num_samples = round(epoch_size * stage.epochs)
    else:
        num_samples = stage.steps * stage.batch_size
    return num_samples if most is None else min(num_samples, most * stage.batch_size)


def build_cost(config: DictConfig) -> Cost:
    """Return what a row costs, in the unit of the sentence's budget.

    Raises:
        ValueError: The operations of its parts cannot be counted, or hours are to be settled first.
    """
    if config.budget.of is Spending.tokens:
        return lambda row: sum(row.lengths)
    if config.budget.of is Spending.visual_tokens:
        return lambda row: row.num_visual
    if config.budget.of is Spending.flops:
        flops = build_flops(config)
        return lambda row: flops.of_row(row.num_tiles, row.lengths, row.num_supervised).model
    raise ValueError(f"budget={config.budget.of.value} pays for steps only once their pace is known")


def build_batching(config: DictConfig) -> Batching:
    """Return how a step's samples are laid into rows.

    Raises:
        ValueError: Rows do not divide a step, or are not of the one size that blocks are compiled for.
    """
    stage, trainer = config.stage, config.trainer
    mode, row_size = stage.batching.mode, trainer.samples_per_row
    if config.parity is Parity.llava:
        mode, row_size = stage.batching.parity.mode, min(stage.batching.parity.row_size, stage.batch_size)
        if stage.batch_size % row_size:
            raise ValueError(
                f"stage.batching.parity.row_size={row_size} must divide stage.batch_size={stage.batch_size}"
            )
    if trainer.compile and mode is not BatchingMode.packed:
        raise ValueError(
            f"trainer.compile=true needs rows of one size, but they are {mode.value}; set "
            "stage.batching.mode=packed and parity=none, or trainer.compile=false"
        )
    return Batching(mode.value, stage.batch_size, stage.batching.window, trainer.tokens_per_row, row_size)


def build_held_out(config: DictConfig, dataset: StepDataset) -> HeldOut | None:
    """Return what the outermost stage's sources hold out; None if they hold out nothing."""
    pairs = zip(dataset.names, dataset.readers, strict=True)
    readers = {name: reader for name, reader in pairs if reader.num_held_out}
    cache = Path(config.paths.cache) / "measures"
    return HeldOut(readers, config.trainer.tokens_per_row, cache) if readers else None


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
