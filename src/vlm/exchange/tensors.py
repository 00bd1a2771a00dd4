"""Files of named tensors of which one is read after another, so that a model is never held twice."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from vlm.exchange.names import Layout, layout_of, unwrapped
from vlm.tensor_file import first_line, read_tensors

OF_ADAPTERS = ".lora_"
"""In the name of a tensor that is added to another, and is none of a model's own."""


@dataclass(frozen=True)
class Weights:
    """Files whose tensors are named by one layout.

    Args:
        paths: One after the other.
        layout: Of their names.
        present: The pieces that they hold.
    """

    paths: Sequence[Path]
    layout: Layout
    present: frozenset[str]

    @classmethod
    def of(cls, paths: Sequence[Path]) -> "Weights":
        """Return what files hold; no tensor is read.

        Raises:
            ValueError: A file is missing, damaged, or pickles more than tensors.
        """
        names = [unwrapped(name) for path in paths for name in tensor_names(path) if _is_own(name)]
        layout = layout_of(names)
        return cls(paths, layout, frozenset(layout.piece(name) for name in names))

    def __iter__(self) -> Iterator[tuple[str, str, Tensor]]:
        """Yield where a tensor stands (its file and its name), the piece that it holds, and itself."""
        for path in self.paths:
            for name, values in each_tensor(path):
                if _is_own(name):
                    yield f"{path}: {name}", self.layout.piece(unwrapped(name)), values


def has_tower(weights: Sequence[Weights]) -> bool:
    """Whether files hold a vision tower."""
    return any(piece.startswith("encoder.") for part in weights for piece in part.present)


def _is_own(name: str) -> bool:
    return OF_ADAPTERS not in name


def tensor_names(path: Path) -> list[str]:
    """Return what a file's tensors are called.

    Raises:
        ValueError: The file is missing, damaged, or pickles more than tensors.
    """
    if path.suffix != ".safetensors":
        return list(_unpickle(path))
    try:
        with safe_open(path, "pt") as file:
            return list(file.keys())
    except (OSError, SafetensorError) as error:
        raise _damaged(path, error) from error


def each_tensor(path: Path) -> Iterator[tuple[str, Tensor]]:
    """Yield a file's tensors by name; only those are read that are yielded, where its format has it so.

    Raises:
        ValueError: The file is missing, damaged, or pickles more than tensors.
    """
    if path.suffix != ".safetensors":
        yield from _unpickle(path).items()
        return
    try:
        with safe_open(path, "pt") as file:
            for name in file.keys():  # noqa: SIM118 (it is no mapping)
                yield name, file.get_tensor(name)
    except (OSError, SafetensorError) as error:
        raise _damaged(path, error) from error


def _unpickle(path: Path) -> Mapping[str, Tensor]:
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception:  # of an old format, which cannot be mapped; or at fault, and then this says how
        tensors = read_tensors(path)
    if not isinstance(tensors, dict) or not all(isinstance(value, Tensor) for value in tensors.values()):
        raise ValueError(f"{path} holds more than tensors and their names; it is no file of weights")
    return tensors


def _damaged(path: Path, error: Exception) -> ValueError:
    return ValueError(f"{path} is damaged or no file of weights ({first_line(error)}); copy it again")
