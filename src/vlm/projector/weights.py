"""Projectors that somebody has trained before: ours, and LLaVA's `mm_projector.bin`."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from vlm.projector.base import Projector
from vlm.tensor_file import read_tensors

LLAVA = "mm_projector."


def load_projector(projector: Projector, path: Path) -> None:
    """Fill a built projector from a file.

    Args:
        projector: Built.
        path: `projector.safetensors` of a run, or LLaVA's `mm_projector.bin`.

    Raises:
        ValueError: The file is damaged, or is another projector's.
    """
    tensors = _renamed(read_tensors(path))
    try:
        projector.load_state_dict(tensors)
    except RuntimeError as error:
        reasons = [line.strip() for line in str(error).splitlines()[1:]]
        raise ValueError(
            f"projector.weights={path} does not fit the projector ({'; '.join(reasons)}); "
            "choose the projector that it was trained as"
        ) from error


def _renamed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return LLaVA's tensors by our names; ours stay."""
    if not any(LLAVA in name for name in tensors):
        return {name: tensor.float() for name, tensor in tensors.items()}
    renamed = {}
    for name, tensor in tensors.items():
        _, found, inner = name.partition(LLAVA)
        if found:  # a linear connector is no sequence there: its names have no number
            renamed[f"layers.{inner}" if inner[0].isdigit() else f"layers.0.{inner}"] = tensor.float()
    return renamed
