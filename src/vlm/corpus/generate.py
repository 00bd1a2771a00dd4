"""Sources that this project makes itself, made when they are first read."""

import hashlib
import json
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock
from omegaconf import DictConfig, ListConfig

from vlm.data.index import MANIFEST
from vlm.data.locate import find_shards
from vlm.data.remote import is_remote
from vlm.signals import STOPPED, hearing

WORLD_SEED = 2023
SHAPES = "shapes"
VERBS = ("data", "synthesize", "train", "label")
"""What may be said to make a source."""
SENTENCES = ("train", "label")
"""Of these, the verbs whose words are a sentence's."""


def ensure_sources(config: DictConfig, by_commands: bool = False) -> None:
    """Make the shards of every source and benchmark that says how, if they are absent.

    And the shapes world for a twin, whose sources may be read from it.

    Args:
        config: Of a sentence.
        by_commands: Whether commands are run too, which may train a model for hours.

    Raises:
        ValueError: `made_by` says nothing that can be done, or it has failed.
    """
    readers = [*_sources(config), *config.evaluation.benchmarks.values()]
    _ensure(config, readers)
    if by_commands and not config.twin:
        for node in readers:
            if _is_absent(node):
                _make(node, config.paths)


def ensure_benchmarks(config: DictConfig) -> None:
    """Make the shards of benchmarks alone: scoring reads no source that a stage learns from."""
    _ensure(config, config.evaluation.benchmarks.values())


def _ensure(config: DictConfig, readers: Iterable[DictConfig]) -> None:
    makers = [node.get("made_by") for node in readers]
    for maker in makers:
        if not (maker in (None, SHAPES) or isinstance(maker, ListConfig)):
            raise ValueError(f"made_by must be {SHAPES}, null, or a list of commands of vlm; got {maker}")
    if SHAPES in makers or config.twin:
        ensure_shapes(Path(config.paths.data) / SHAPES)


def _commands(node: DictConfig) -> tuple[str, ...]:
    """Return what makes a source.

    Raises:
        ValueError: It is no command that makes data.
    """
    commands = tuple(str(line) for line in node.made_by)
    for line in commands:
        if line.split(maxsplit=1)[:1] not in [[verb] for verb in VERBS]:
            raise ValueError(
                f"made_by must begin with one of {', '.join(VERBS)}, which vlm then does; got '{line}'"
            )
    return commands


def _is_absent(node: DictConfig) -> bool:
    """Whether a source that commands make is not there."""
    if not isinstance(node.get("made_by"), ListConfig):
        return False
    patterns = [node.shards] if isinstance(node.shards, str) else list(node.shards)
    if any(map(is_remote, patterns)):
        return False
    try:
        find_shards("shards", patterns)
    except ValueError:
        return True
    return False


def _make(node: DictConfig, paths: DictConfig) -> None:
    """Run a source's commands, one after the other; wait if somebody else is running them.

    Args:
        node: The source.
        paths: Where the sentence keeps things; so do sentences that the commands say.

    Raises:
        ValueError: One has failed.
    """
    commands, data = _commands(node), Path(paths.data)
    data.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256("\n".join(commands).encode()).hexdigest()[:12]
    with FileLock(data / f".made_by-{digest}.lock"):
        for line in commands if _is_absent(node) else ():
            print(f"vlm {line}", flush=True)
            # A session of its own: who stops this process tells it once, through us.
            verb, *words = shlex.split(line)
            kept = [f"paths.{name}={paths[name]}" for name in map(str, paths)] if verb in SENTENCES else []
            command = [sys.executable, "-m", "vlm", verb, *kept, *words]
            process = subprocess.Popen(command, start_new_session=True)
            with hearing(process.send_signal):
                status = process.wait()
            if status in STOPPED:
                raise SystemExit(status)
            if status:
                raise ValueError(f"made_by: 'vlm {line}' ended with exit status {status}; it says above why")


def _sources(config: DictConfig) -> Iterator[DictConfig]:
    """Yield every source of the sentence's stages."""
    yield from config.mixture.values()
    stage = config.stage.after
    while stage is not None:
        yield from (stage.mixture or {}).values()
        stage = stage.after


def ensure_shapes(folder: Path, seed: int = WORLD_SEED, scale: float | int = 1.0) -> dict[str, Any]:
    """Make a shapes world unless one is there, and return its manifest; wait if somebody else is making it.

    Args:
        folder: To make.
        seed: Of scenes, pictures and questions.
        scale: Of all sizes.
    """
    manifest = folder / MANIFEST
    if not manifest.is_file():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / f".{folder.name}.lock"):
            if not manifest.is_file():
                from vlm.corpus.shapes.world import make_world  # noqa: PLC0415 (its imports take seconds)

                print(f"making the shapes world in {folder} (once)", flush=True)
                make_world(folder, seed, scale)
    made: dict[str, Any] = json.loads(manifest.read_text())
    return made
