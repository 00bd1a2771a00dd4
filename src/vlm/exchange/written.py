"""Files that others read: weights in shards, tokenizers as they were published, folders whole or absent."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor
from transformers.utils import cached_file

from vlm.exchange.foreign import TOKENIZER_FILES
from vlm.exchange.names import Layout
from vlm.tensor_file import write_tensors

SHARD = 5 * 10**9
"""Bytes of a file of weights at most, unless one tensor has more."""
METADATA = {"format": "pt"}
"""Without it transformers does not read a file."""


@contextmanager
def whole_or_absent(output: Path) -> Iterator[Path]:
    """Give a folder to write into, which takes its place when everything is written.

    Raises:
        ValueError: Something is there already.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ValueError(f"output={output} is there already; name a folder that is not, or an empty one")
    partial = output.with_name(f".{output.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        if output.exists():
            output.rmdir()
        partial.rename(output)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def named_by(layout: Layout, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return pieces by others' names."""
    return {layout.theirs(piece): tensor for piece, tensor in tensors.items()}


def write_weights(
    folder: Path, tensors: Mapping[str, Tensor], stem: str = "model", shard_size: int = SHARD
) -> None:
    """Write tensors as transformers does: one file, or several and their index.

    Args:
        folder: Is there.
        tensors: By the names that they get.
        stem: What the files' names begin with.
        shard_size: In bytes.
    """
    shards = _shards(tensors, shard_size)
    if len(shards) == 1:
        _write(folder / f"{stem}.safetensors", shards[0])
        return
    index: dict[str, str] = {}
    for number, shard in enumerate(shards, 1):
        name = f"{stem}-{number:05}-of-{len(shards):05}.safetensors"
        _write(folder / name, shard)
        index |= dict.fromkeys(shard, name)
    size = sum(tensor.nbytes for tensor in tensors.values())
    described = {"metadata": {"total_size": size}, "weight_map": index}
    (folder / f"{stem}.safetensors.index.json").write_text(json.dumps(described, indent=2))


def _shards(tensors: Mapping[str, Tensor], size: int) -> list[dict[str, Tensor]]:
    shards: list[dict[str, Tensor]] = [{}]
    filled = 0
    for name, tensor in tensors.items():
        if shards[-1] and filled + tensor.nbytes > size:
            shards.append({})
            filled = 0
        shards[-1][name] = tensor
        filled += tensor.nbytes
    return shards


def _write(path: Path, tensors: Mapping[str, Tensor]) -> None:
    entries = {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in tensors.items()}
    write_tensors(path, entries, ((name, tensor.cpu()) for name, tensor in tensors.items()), METADATA)


def write_pickled(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors in torch's format, where others read no other."""
    torch.save({name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}, path)


def copy_tokenizer(source: str, folder: Path) -> None:
    """Copy a tokenizer's files as they are.

    Args:
        source: A folder, or a hub's name.
        folder: Is there.
    """
    for name in TOKENIZER_FILES:
        found = cached_file(source, name, _raise_exceptions_for_missing_entries=False)
        if found:
            shutil.copyfile(found, folder / name)
