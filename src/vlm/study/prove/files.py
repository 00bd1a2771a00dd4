"""The files of a sentence's parts: which are on this machine, and which the real run would have to get."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from huggingface_hub import constants
from omegaconf import DictConfig, OmegaConf

from vlm.checkpoint import settle_hub
from vlm.config import PARTS
from vlm.encoder.base import Encoder
from vlm.model.vision_language import VisionLanguageModel
from vlm.study.prove.lint import Level, Lint

PUBLISHED = ("pretrained", "random")
"""Values of `weights` that name no path."""


def as_published(config: DictConfig) -> tuple[DictConfig, list[Lint]]:
    """Return the sentence with its real parts, those as published whose own weights are not there.

    So their sizes are known, and a twin of them can be made.

    Returns:
        The sentence, and a note for each path that is not there.
    """
    copied = OmegaConf.create(config, flags={"readonly": False})
    copied.twin = False
    notes = []
    for key, node in (pair for name in PARTS for pair in _inside(name, copied[name])):
        if node.weights in PUBLISHED or Path(node.weights).expanduser().exists():
            continue
        notes.append(
            Lint(Level.note, f"{key}.weights={node.weights} is not there; it has to be, where the run is")
        )
        node.weights = "random" if key == "projector" else "pretrained"
    OmegaConf.set_readonly(copied, True)
    return copied, notes


def _inside(key: str, node: Any) -> Iterator[tuple[str, DictConfig]]:
    """Yield the part, and the parts in it, if they say where their weights come from."""
    if not isinstance(node, DictConfig):
        return
    if isinstance(node.get("weights"), str):
        yield key, node
    for name in map(str, node):
        yield from _inside(f"{key}.{name}", node[name])


def look_for_files(config: DictConfig, model: VisionLanguageModel) -> Iterator[Lint]:
    """Look for published files on this machine; nothing is fetched.

    Args:
        config: The sentence.
        model: Planned.
    """
    finders: list[tuple[str, str, Callable[[], Any]]] = [
        *(("encoder", encoder.source, encoder.locate) for encoder in _innermost(model.encoder)),
        ("llm", model.llm.source, model.llm.locate),
    ]
    if config.llm.get("weights", "random") != "random":
        finders.append(("llm", model.llm.source, model.llm.published))
    with offline(model.llm.source):
        for part, source, find in finders:
            try:
                find()
            except ValueError as error:
                yield _judge(part, source, error)


def _innermost(encoder: Encoder) -> list[Encoder]:
    """Return the encoders that have files, of one that may be made of several."""
    inside = [part for part in encoder.modules() if isinstance(part, Encoder) and part is not encoder]
    return [found for part in inside for found in _innermost(part)] or [encoder]


def _judge(part: str, source: str, error: ValueError) -> Lint:
    """Tell files that are elsewhere from files that are wrong."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError):
            return Lint(
                Level.note,
                f"{part}: the files of {source} are not all on this machine; the run fetches them, or say "
                f"{part}.weights=FOLDER",
            )
        cause = cause.__cause__
    return Lint(Level.error, str(error))


@contextmanager
def offline(files: str) -> Iterator[None]:
    """Work from the hub's local cache alone.

    Args:
        files: What is looked for. Whether a hub answers is asked before: the answer is remembered.
    """
    settle_hub(files)
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
