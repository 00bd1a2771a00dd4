"""Which parts learn in a stage; the others are frozen."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from vlm.config import PARTS, Learning
from vlm.model.vision_language import VisionLanguageModel


def set_learning(model: VisionLanguageModel, learns: Mapping[str, Learning]) -> None:
    """Freeze or free each part.

    Raises:
        ValueError: `learns` names other parts, or nothing learns.
    """
    if set(learns) != set(PARTS):
        raise ValueError(f"stage.learns must name {', '.join(PARTS)}; got {', '.join(learns)}")
    for name in PARTS:
        part = model.get_submodule(name)
        learning = learns[name] is Learning.full
        part.requires_grad_(learning).train(learning)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ValueError("stage.learns leaves nothing to learn; set a part with weights to full")


def learning_parts(model: VisionLanguageModel) -> dict[str, nn.Module]:
    """Return the parts that learn, by name."""
    parts = {name: model.get_submodule(name) for name in PARTS}
    return {
        name: part
        for name, part in parts.items()
        if any(weight.requires_grad for weight in part.parameters())
    }


def describe_parts(model: VisionLanguageModel) -> str:
    """Return a table: part, class, parameters, whether it learns."""
    learning = learning_parts(model)
    lines = []
    for name in PARTS:
        part = model.get_submodule(name)
        count = sum(weight.numel() for weight in part.parameters())
        verb = "learns" if name in learning else "frozen"
        lines.append(f"  {name:<10} {type(part).__name__:<16} {count:>12,} parameters  {verb}")
    return "\n".join(lines)


def save_part(part: nn.Module, path: Path) -> None:
    """Write a part's learned weights; tied weights are written once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: weight.detach().contiguous() for name, weight in part.named_parameters()}, path)


def load_part(name: str, part: nn.Module, path: Path) -> None:
    """Read a part's learned weights.

    Raises:
        ValueError: The file is damaged, or does not fit the part.
    """
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ValueError(
            f"{path} cannot be read ({error}); delete its run folder to train it again"
        ) from error
    weights = dict(part.named_parameters())
    differing = sorted(set(tensors) ^ set(weights)) or [
        f"{key} {tuple(tensors[key].shape)} for {tuple(weights[key].shape)}"
        for key in weights
        if tensors[key].shape != weights[key].shape
    ]
    if differing:
        raise ValueError(
            f"{path} does not fit {name}: {differing[0]}" + (", ..." if len(differing) > 1 else "")
            + f"; choose the {name} that it was trained with, or delete its run folder"
        )  # fmt: skip
    with torch.no_grad():
        for key, weight in weights.items():
            weight.copy_(tensors[key])
