"""A sentence, read: the stages it trains, innermost first, each with its fingerprint and folder.

Nothing heavy is imported here: whether a stage has been trained before is known within a second.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from vlm.config import PARTS
from vlm.config_budget import Budget, Tuning
from vlm.data.locate import Shard, content_hash, find_shards
from vlm.data.remote import ShardCache
from vlm.paths import checkpoint_path
from vlm.run.fingerprint import NUMERICS, files_hash, fingerprint
from vlm.run.folder import RunFolder
from vlm.values import BatchingMode, Learning, Parity

IRRELEVANT = ("licence", "made_by", "shards", "checkpoint")
"""Keys of parts and sources that cannot change weights, or that their content's hash stands for."""


@dataclass(frozen=True)
class PlannedStage:
    """One stage of a sentence.

    Args:
        config: The sentence whose outermost stage this is.
        identity: What the fingerprint is taken of.
        folder: Where it is, or will be.
        after: The stage it starts from.
        settled: What short trainings before it have found, of which its config is the result.
    """

    config: DictConfig
    identity: dict[str, Any]
    folder: RunFolder
    after: "PlannedStage | None"
    settled: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """As the stage's YAML says."""
        return str(self.config.stage.name)

    def lineage(self) -> Iterator["PlannedStage"]:
        """Yield the stages it builds on, innermost first, and itself last."""
        if self.after:
            yield from self.after.lineage()
        yield self


def read_sentence(config: DictConfig) -> PlannedStage:
    """Return the outermost stage, which holds the others.

    Raises:
        ValueError: A stage names no data, or a source's shards are missing or not indexed.
    """
    planned = _read(config)
    _require_budget(config)
    used = any(Learning.adapter in stage.config.stage.learns.values() for stage in planned.lineage())
    if len(config.adapter) > 1 and not used:  # `none` has no settings
        raise ValueError("adapter has no effect: no part learns by it; set stage.learns.llm=adapter")
    _require_held_out(planned)
    return planned


def _require_budget(config: DictConfig) -> None:
    """Refuse half a budget, and rates that are none.

    Raises:
        ValueError: It has an amount and no kind, or the other way round; or a factor is not above 0.
    """
    budget = config.budget
    if budget.of is not None and budget.amount is None:
        raise ValueError(f"budget.amount is not set; say budget={budget.of.value} budget.amount=VALUE")
    if budget.of is None and budget.amount is not None:
        raise ValueError("budget.amount goes with a kind: budget=flops budget.amount=1e18")
    if any(factor <= 0 for factor in config.tuning.factors):
        raise ValueError(f"tuning.factors must be above 0, got {list(config.tuning.factors)}")


def _require_held_out(planned: PlannedStage) -> None:
    """Refuse to validate where no stage holds anything out.

    Raises:
        ValueError: So it is.
    """
    if any(source.held_out for stage in planned.lineage() for source in sources(stage.config).values()):
        return
    for key in ("keep_best", "validate_every", "sample_answers"):
        if planned.config.trainer[key]:
            name = next(iter(sources(planned.config)))
            raise ValueError(
                f"trainer.{key}={planned.config.trainer[key]}, but no source holds out samples; say "
                f"mixture.{name}.held_out=100"
            )


def _read(config: DictConfig) -> PlannedStage:
    after = _read(_inner(config)) if config.stage.after is not None else None
    identity = _identity(config, after)
    folder = Path(config.paths.runs) / f"{config.stage.name}-{fingerprint(identity)}"
    return PlannedStage(config, identity, RunFolder(folder), after)


def sources(config: DictConfig) -> Mapping[str, DictConfig]:
    """Return the sources that the outermost stage reads; a weight of 0 removes one.

    Raises:
        ValueError: None is left.
    """
    kept = {str(name): source for name, source in config.mixture.items() if source.weight or source.samples}
    if not kept:
        raise ValueError(f"mixture of stage {config.stage.name} is empty; choose one: mixture=NAME")
    return kept


def source_shards(config: DictConfig, name: str) -> list[Shard]:
    """Return a source's shards; a twin's that are not there are the shapes world's captions.

    Raises:
        ValueError: Some are missing or not indexed.
    """
    if reads_twin_shards(config, name):
        return _find(config, name, f"{config.paths.data}/shapes/train/caption-*.tar")
    return _find(config, name, config.mixture[name].shards)


def reads_twin_shards(config: DictConfig, name: str) -> bool:
    """Whether a source is a twin's, and its shards are not there."""
    if not config.twin:
        return False
    try:
        _find(config, name, config.mixture[name].shards)
    except ValueError:
        return True
    return False


def _find(config: DictConfig, name: str, where: Any) -> list[Shard]:
    cache = ShardCache(Path(config.paths.cache) / "shards", int(config.trainer.cache_gib * 2**30))
    return find_shards(f"mixture.{name}.shards", where, cache)


def _inner(config: DictConfig) -> DictConfig:
    """The sentence that asks for `stage.after` alone."""
    after = config.stage.after
    if after.mixture is None:
        raise ValueError(
            "stage.after.mixture is not set; say what it reads: mixture@stage.after.mixture=NAME"
        )
    inner = OmegaConf.create(config, flags={"readonly": False})
    inner.mixture = after.mixture
    inner.budget, inner.tuning = Budget(), Tuning()
    stage = inner.stage.after
    stage.mixture = None
    inner.stage = stage
    OmegaConf.set_readonly(inner, True)
    return inner


def _identity(config: DictConfig, after: PlannedStage | None) -> dict[str, Any]:
    stage = _plain(config.stage)
    for key in ("name", "after", "mixture", *(("steps", "epochs") if config.budget.of else ())):
        del stage[key]
    stage["template"] = stage["template"] or _plain(config.llm.template)
    stage["image"] = _image_identity(stage["image"])
    stage["batching"] = _rows_identity(config, stage["batching"])
    learns = config.stage.learns.values()
    return {
        "numerics": NUMERICS,
        "adapter": _plain(config.adapter) if Learning.adapter in learns else None,
        "parts": {part: _part_identity(_plain(config[part])) for part in PARTS},
        "twin": config.twin,
        "stage": stage,
        "mixture": {name: _source_identity(config, name) for name in sources(config)},
        "budget": _plain(config.budget),
        "tuning": _plain(config.tuning) if config.tuning.factors else None,
        "seed": config.seed,
        "precision": config.trainer.precision,
        "parity": config.parity.value,
        "max_steps": config.trainer.max_steps,
        "on_error": config.trainer.on_error,
        "after": after and fingerprint(after.identity),
    }


def _image_identity(image: dict[str, Any]) -> Any:
    return image if image["mode"] == "anyres" else image["mode"]  # the rest is of tiles


def _rows_identity(config: DictConfig, batching: dict[str, Any]) -> dict[str, Any]:
    """Return what of the rows changes which samples a step has, or what its loss is."""
    parity = batching.pop("parity")
    if config.parity is Parity.llava:
        return {**batching, "mode": parity["mode"], "samples_per_row": parity["row_size"]}
    if config.stage.batching.mode is BatchingMode.grouped:
        return {**batching, "samples_per_row": config.trainer.samples_per_row}
    return batching | ({"tokens_per_row": config.trainer.tokens_per_row} if batching["window"] > 1 else {})


def _source_identity(config: DictConfig, name: str) -> dict[str, Any]:
    source = _plain(config.mixture[name])
    image = source["image"] and _image_identity(source["image"])
    keys = ("weight", "samples", "held_out", "loss_weight", "without_text", "template")
    read = {key: source[key] for key in keys}
    return {**read, "image": image, "content": content_hash(source_shards(config, name))}


def _part_identity(part: dict[str, Any]) -> dict[str, Any]:
    """Return what of a part, and of the parts in it, can change weights."""
    identity = {
        key: _part_identity(value) if isinstance(value, dict) else value
        for key, value in part.items()
        if key not in IRRELEVANT
    }
    files = part.get("weights", "random")
    if files == "pretrained":
        path = checkpoint_path(part["checkpoint"])
        identity["content"] = files_hash(path) if path else part["checkpoint"]
    elif files != "random":  # a path, which may move
        identity["content"] = (
            files_hash(Path(files).expanduser()) if Path(files).expanduser().exists() else files
        )
        identity["weights"] = "pretrained"
    return identity


def _plain(config: DictConfig) -> dict[str, Any]:
    plain = OmegaConf.to_container(config, resolve=True, enum_to_str=True)
    return cast(dict[str, Any], plain)
