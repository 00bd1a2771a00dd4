"""A checkpoint's tensors, of which any rows can be read without the rest."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from transformers.utils import cached_file

from vlm.checkpoint import settle_hub

INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
WHOLES = ("model.safetensors", "pytorch_model.bin")


def checkpoint_slices(files: str) -> Mapping[str, Any]:
    """Return what can be sliced along its rows, by the tensor's name.

    Args:
        files: A folder in transformers' format, or a hub's name.

    Raises:
        OSError: It has no weights.
        RuntimeError, ValueError, SafetensorError: A file is damaged.
    """
    return _join(checkpoint_files(files))


def checkpoint_files(files: str) -> list[Path]:
    """Return the files of a checkpoint's tensors.

    Args:
        files: A folder in transformers' format, or a hub's name.

    Raises:
        OSError: It has none.
        ValueError: Its index is damaged.
    """
    settle_hub(files)
    for name in INDEXES:
        index = _find(files, name)
        if index:
            parts = sorted(set(json.loads(index.read_text())["weight_map"].values()))
            return [_find(files, part) or Path(files) / part for part in parts]
    for name in WHOLES:
        whole = _find(files, name)
        if whole:
            return [whole]
    raise OSError(f"{files} has none of {', '.join(WHOLES)}")


def _find(files: str, name: str) -> Path | None:
    found = cached_file(files, name, _raise_exceptions_for_missing_entries=False)
    return Path(found) if found else None


def _join(paths: list[Path]) -> dict[str, Any]:
    slices: dict[str, Any] = {}
    for path in paths:
        if path.suffix == ".safetensors":
            file = safe_open(path, "pt")
            slices |= {name: file.get_slice(name) for name in file.keys()}  # type: ignore[no-untyped-call]  # noqa: SIM118
        else:
            slices |= torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    return slices
