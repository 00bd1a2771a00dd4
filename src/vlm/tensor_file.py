"""Files of named tensors; what is pickled may hold tensors only."""

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
            f"{path} is damaged or no file of weights ({_first_line(error)}); copy it again"
        ) from error
    except Exception as error:  # torch's refusal to unpickle more than tensors
        raise ValueError(
            f"{path} holds more than tensors and is not opened ({_first_line(error)})"
        ) from error
    return dict(tensors.get("state_dict", tensors))


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
