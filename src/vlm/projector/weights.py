"""Projectors that somebody has trained before: ours, and LLaVA's `mm_projector.bin`."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from vlm.projector.base import Projector
from vlm.tensor_file import read_tensors

LLAVA = "mm_projector."
LLAVA_ROW_END = "image_newline"


def load_projector(projector: Projector, path: Path) -> None:
    """Fill a built projector from a file.

    Args:
        projector: Built.
        path: `projector.safetensors` of a run, or LLaVA's `mm_projector.bin`.

    Raises:
        ValueError: The file is damaged, or is another projector's.
    """
    tensors = _renamed(read_tensors(path))
    if projector.row_end is None:
        tensors.pop("row_end", None)  # learned with tiles, and here are none
    else:
        tensors.setdefault("row_end", projector.row_end.detach())  # or the other way round
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
        if name.endswith(LLAVA_ROW_END):
            renamed["row_end"] = tensor.float()
        _, found, inner = name.partition(LLAVA)
        if found:  # a linear connector is no sequence there: its names have no number
            renamed[f"layers.{inner}" if inner[0].isdigit() else f"layers.0.{inner}"] = tensor.float()
    return renamed
