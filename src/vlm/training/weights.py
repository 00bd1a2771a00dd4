"""The files of what learned: safetensors for a part, peft's folder for its adapter."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from peft import PeftModel
from safetensors import SafetensorError, safe_open
from torch import nn

from vlm import ranks
from vlm.config import PARTS
from vlm.model.vision_language import VisionLanguageModel
from vlm.strategy.base import Strategy
from vlm.tensor_file import write_tensors
from vlm.training.parts import learning_parts
from vlm.training.shares import fill

PARTIAL = {"holds": "blocks"}
"""Marks a file that lacks the part's frozen weights."""


def save_weights(
    model: VisionLanguageModel, adapters: Mapping[str, nn.Module], folder: Path, strategy: Strategy
) -> None:
    """Write what learned: `<part>.safetensors`, or `<part>/` in peft's format.

    All devices must call it; the first one writes, and never holds more of a part than one weight.
    """
    for name, part in learning_parts(model).items():
        if name in adapters:
            save_adapter(adapters[name], folder / name, strategy)
        else:
            save_part(part, folder / f"{name}.safetensors", strategy)


def save_adapter(adapted: nn.Module, folder: Path, strategy: Strategy) -> None:
    """Write an adapter in peft's format."""
    names = [name for name, weight in adapted.named_parameters() if weight.requires_grad]
    whole = dict(strategy.wholes(adapted, names))
    if not ranks.rank():
        adapted.save_pretrained(folder, state_dict=whole)  # type: ignore[operator]
        (folder / "README.md").unlink(missing_ok=True)  # a form with nothing filled in


def load_weights(model: VisionLanguageModel, folder: Path, parts: Iterable[str] = PARTS) -> None:
    """Read what a run learned into parts of the built model; adapters are merged into the weights beneath.

    Raises:
        ValueError: A file is damaged, or does not fit.
    """
    for name in parts:
        part = model.get_submodule(name)
        if (folder / f"{name}.safetensors").is_file():
            load_part(name, part, folder / f"{name}.safetensors")
        if (folder / name).is_dir():
            load_adapter(name, part, folder / name)


def load_adapter(name: str, part: nn.Module, folder: Path) -> None:
    """Merge an adapter; over weights of few bits, which cannot hold the sum, it stays beside them.

    Raises:
        ValueError: It is damaged, or does not fit the part.
    """
    try:
        adapted = PeftModel.from_pretrained(part.get_submodule("network"), str(folder))
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        raise ValueError(
            f"{folder} is damaged or does not fit {name} ({str(error).splitlines()[0]}); "
            f"choose the {name} that it was trained with, or delete its run folder"
        ) from error
    if getattr(part, "quantization", None) is None:
        adapted.merge_and_unload(safe_merge=True)


def save_part(part: nn.Module, path: Path, strategy: Strategy) -> None:
    """Write a part's learned weights; tied weights are written once."""
    weights = dict(part.named_parameters())
    learned = {name: weight for name, weight in weights.items() if weight.requires_grad}
    entries = {name: (tuple(weight.shape), weight.dtype) for name, weight in learned.items()}
    whole = strategy.wholes(part, learned)
    if ranks.rank():
        for _ in whole:  # gathering takes everybody
            pass
    else:
        write_tensors(path, entries, whole, PARTIAL if len(learned) < len(weights) else {})


def load_part(name: str, part: nn.Module, path: Path) -> None:
    """Read a part's learned weights.

    Raises:
        ValueError: The file is damaged, or does not fit the part.
    """
    try:
        with safe_open(path, "pt") as file:
            tensors = {key: file.get_slice(key) for key in file.keys()}  # noqa: SIM118 (it is no mapping)
            partial = file.metadata() == PARTIAL
    except (OSError, SafetensorError) as error:
        raise ValueError(
            f"{path} cannot be read ({error}); delete its run folder to train it again"
        ) from error
    weights = dict(part.named_parameters())
    # An earlier stage that cut no tiles had no end of rows to learn.
    missing = set() if partial else set(weights) - set(tensors) - {"row_end"}
    differing = sorted(missing | (set(tensors) - set(weights))) or [
        f"{key} {tuple(tensor.get_shape())} for {tuple(weights[key].shape)}"
        for key, tensor in tensors.items()
        if tuple(tensor.get_shape()) != tuple(weights[key].shape)
    ]
    if differing:
        raise ValueError(
            f"{path} does not fit {name}: {differing[0]}" + (", ..." if len(differing) > 1 else "")
            + f"; choose the {name} that it was trained with, or delete its run folder"
        )  # fmt: skip
    for key, tensor in tensors.items():
        fill(weights[key], tensor)
