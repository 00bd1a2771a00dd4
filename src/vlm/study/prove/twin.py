"""A sentence made small: twins of its parts, a few samples, two steps, one thread, a folder of its own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from vlm.config import PARTS
from vlm.config_budget import Budget, Tuning
from vlm.corpus.generate import WORLD_SEED
from vlm.corpus.shapes.world import make_world
from vlm.data.chat_template import OwnTemplate
from vlm.data.index import MANIFEST
from vlm.data.locate import find_shards
from vlm.data.remote import ShardCache
from vlm.paths import config_dir

NUM_STEPS = 2
BATCH_SIZE = 8
ROW_SIZE = 2
"""Samples of a row that is not packed; divides `BATCH_SIZE`."""
NUM_HELD_OUT = 2
WORLD_SCALE = 0.005
HOPELESS = 0.9
"""Share of a source's samples that may be faulty: a twin's tokenizer knows few words, so texts are long, and
the real one is held to the real tolerance elsewhere."""


def make_small_world(folder: Path) -> None:
    """Write a small shapes world into `folder/shapes`."""
    make_world(folder / "shapes", WORLD_SEED, WORLD_SCALE)


def has_world(config: DictConfig) -> bool:
    """Whether the sentence's shapes world is there."""
    return (Path(config.paths.data) / "shapes" / MANIFEST).is_file()


def as_twin(config: DictConfig, world: Path) -> DictConfig:
    """Return the sentence of real sizes whose missing data, and nothing else, is a twin's.

    It can be read, and so compared with others, on a machine that has no data.

    Args:
        config: The sentence.
        world: Folder of the small world, which is read where the sentence's is not there.
    """
    copied = _copy(config)
    copied.twin = True
    if not has_world(config):
        _move_into(copied, world)
    OmegaConf.set_readonly(copied, True)
    return copied


def as_real(config: DictConfig) -> DictConfig:
    """Return a sentence that `as_twin` made as one of real parts."""
    copied = _copy(config)
    copied.twin = False
    OmegaConf.set_readonly(copied, True)
    return copied


def shrink(config: DictConfig, world: Path, runs: Path) -> DictConfig:
    """Return the sentence as it is proven: everything that decides whether it runs, and nothing that costs.

    Every step moves weights (no warm-up, no part that begins later), and one process on the CPU takes all.

    Args:
        config: The sentence.
        world: Folder of the small world, which stands for the sentence's own.
        runs: Folder of the runs.
    """
    small = _copy(config)
    _move_into(small, world)
    small.twin = True
    small.devices = small.nodes = 1
    small.resume, small.checkpoint = "auto", None
    small.strategy = OmegaConf.load(config_dir() / "strategy/single.yaml")
    small.evaluation.every = None
    small.budget, small.tuning = Budget(), Tuning()
    small.paths.runs = str(runs)
    lend_template(small)
    _shrink_trainer(small.trainer)
    cache = ShardCache(Path(small.paths.cache) / "shards", int(small.trainer.cache_gib * 2**30))
    for stage in _stages(small):
        _shrink_stage(stage)
    for mixture in _mixtures(small):
        for name, source in mixture.items():
            source.held_out = min(source.held_out, NUM_HELD_OUT)
            source.shards = _first_shard(str(name), source.shards, cache)
    OmegaConf.set_readonly(small, True)
    return small


def lend_template(config: DictConfig) -> None:
    """Let a packaged template stand where one is asked for that the LLM's own tokenizer carries.

    Args:
        config: The sentence, which is changed.
    """
    sources = [source for mixture in _mixtures(config) for source in mixture.values()]
    own = f"{OwnTemplate.__module__}.{OwnTemplate.__qualname__}"
    for node in (config.llm, *_stages(config), *sources):
        if node.template is not None and node.template._target_ == own:
            node.template = OmegaConf.load(config_dir() / "template/bare.yaml")


def _copy(config: DictConfig) -> DictConfig:
    copied = OmegaConf.create(config, flags={"readonly": False})
    OmegaConf.resolve(copied)  # what is said of one key shall not change others
    return copied


def _stages(config: DictConfig) -> Iterator[DictConfig]:
    """Yield the stages, outermost first."""
    stage = config.stage
    while stage is not None:
        yield stage
        stage = stage.after


def _mixtures(config: DictConfig) -> Iterator[DictConfig]:
    """Yield what each stage reads."""
    yield config.mixture
    yield from (stage.mixture for stage in _stages(config) if stage.mixture is not None)


def _move_into(config: DictConfig, world: Path) -> None:
    """Let everything that is read from the shapes world be read from a small one."""
    usual, small = f"{config.paths.data}/shapes/", f"{world}/shapes/"
    for mixture in _mixtures(config):
        for source in mixture.values():
            patterns = source.shards if isinstance(source.shards, ListConfig) else [source.shards]
            if any(str(pattern).startswith(usual) for pattern in patterns):
                source.shards = [small + str(p).removeprefix(usual) for p in patterns]
                source.held_out = min(source.held_out, NUM_HELD_OUT)
    config.paths.data = str(world)


def _first_shard(name: str, shards: Any, cache: ShardCache) -> Any:
    """Return the first of a source's shards; if none is there, what names them, for a twin to replace."""
    try:
        return str(find_shards(name, shards, cache)[0])
    except ValueError:
        return shards


def _shrink_trainer(trainer: DictConfig) -> None:
    trainer.accelerator, trainer.precision = "cpu", "32-true"
    trainer.num_workers, trainer.num_threads = 0, 1
    trainer.compile, trainer.kernels = False, "torch"
    trainer.requeue, trainer.rendezvous = False, None
    trainer.samples_per_row = min(trainer.samples_per_row, ROW_SIZE)
    trainer.on_error, trainer.gate.tolerance = "skip", HOPELESS
    trainer.max_steps = NUM_STEPS
    trainer.log_every = trainer.checkpoint_every = 1
    trainer.keep_last = NUM_STEPS
    trainer.validate_every, trainer.sample_answers = None, min(trainer.sample_answers, 1)


def _shrink_stage(stage: DictConfig) -> None:
    stage.batch_size, stage.steps = BATCH_SIZE, NUM_STEPS
    stage.batching.parity.row_size = min(stage.batching.parity.row_size, ROW_SIZE)
    stage.batching.window = min(stage.batching.window, NUM_STEPS)
    stage.last_blocks = dict.fromkeys(stage.last_blocks, 1)  # a twin has few
    stage.optimizer.warmup_fraction = 0.0
    for part in PARTS:
        stage.optimizer[part].warmup_fraction, stage.optimizer[part].first_step = None, 0
