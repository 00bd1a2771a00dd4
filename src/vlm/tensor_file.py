"""Files of named tensors; what is pickled may hold tensors only."""

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a safetensors file, or of a pickled state dict.

    Raises:
        ValueError: The file is missing, damaged, or pickles more than tensors.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError, RuntimeError, EOFError, ValueError) as error:
        raise ValueError(
            f"{path} is damaged or no file of weights ({first_line(error)}); copy it again"
        ) from error
    except Exception as error:  # torch's refusal to unpickle more than tensors
        raise ValueError(f"{path} holds more than tensors and is not opened ({first_line(error)})") from error
    return dict(tensors.get("state_dict", tensors))


DTYPES = {
    torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16", torch.float64: "F64",
    torch.int64: "I64", torch.int32: "I32", torch.uint8: "U8",
}  # fmt: skip


def write_tensors(
    path: Path,
    entries: Mapping[str, tuple[tuple[int, ...], torch.dtype]],
    tensors: Iterable[tuple[str, torch.Tensor]],
    metadata: Mapping[str, str],
) -> None:
    """Write a safetensors file one tensor after another, so that no more than one need be held.

    The library's own writer wants all of them at once.

    Args:
        path: Of the file; replaced whole.
        entries: Shape and type of each, in the order in which they come.
        tensors: Name and values, on the CPU.
        metadata: Kept with them.
    """
    header: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for name, (shape, dtype) in entries.items():
        start, end = end, end + math.prod(shape) * dtype.itemsize
        header[name] = {"dtype": DTYPES[dtype], "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # values begin at a multiple of eight
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.partial")
    with temporary.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _, tensor in tensors:
            file.write(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
    temporary.replace(path)


def first_line(error: Exception) -> str:
    """Return the first line of what an error says, or what kind it is."""
    return (str(error).splitlines() or [type(error).__name__])[0]
