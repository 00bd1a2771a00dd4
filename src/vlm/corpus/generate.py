"""Sources that this project makes itself, made when they are first read."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from filelock import FileLock
from omegaconf import DictConfig

from vlm.data.index import MANIFEST

WORLD_SEED = 2023


def ensure_sources(config: DictConfig) -> None:
    """Make the shards of every source and benchmark that names a generator, if they are absent.

    And the shapes world for a twin, whose sources may be read from it.

    Raises:
        ValueError: `made_by` names no generator.
    """
    _ensure(config, [*_sources(config), *config.evaluation.benchmarks.values()])


def ensure_benchmarks(config: DictConfig) -> None:
    """Make the shards of benchmarks alone: scoring reads no source that a stage learns from."""
    _ensure(config, config.evaluation.benchmarks.values())


def _ensure(config: DictConfig, readers: Iterable[DictConfig]) -> None:
    makers = {node.get("made_by") for node in readers} - {None}
    for unknown in makers - {"shapes"}:
        raise ValueError(f"made_by must be shapes or null, got {unknown}")
    if makers or config.twin:
        ensure_shapes(Path(config.paths.data) / "shapes")


def _sources(config: DictConfig) -> Iterator[DictConfig]:
    """Yield every source of the sentence's stages."""
    yield from config.mixture.values()
    stage = config.stage.after
    while stage is not None:
        yield from (stage.mixture or {}).values()
        stage = stage.after


def ensure_shapes(folder: Path) -> None:
    """Make the shapes world in `folder` unless it is there; wait if somebody else is making it."""
    if (folder / MANIFEST).is_file():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / f".{folder.name}.lock"):
        if (folder / MANIFEST).is_file():
            return
        from vlm.corpus.shapes.world import make_world  # noqa: PLC0415 (its imports take seconds)

        print(f"making the shapes world in {folder} (once)", flush=True)
        make_world(folder, WORLD_SEED)
