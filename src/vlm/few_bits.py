"""Linear layers in four or eight bits, through bitsandbytes, on CUDA (Dettmers et al. 2022, 2023)."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import nn

from vlm.values import Quantization

WORDS = ("lm_head", "embed_out", "output")
"""What heads of LLMs are called: they stay whole."""


def require_few_bits(word: str, remedy: str, on_cuda: bool = True) -> None:
    """Hold this machine to what weights of few bits need.

    Args:
        word: That asks for them.
        remedy: What else can be said.
        on_cuda: Whether the model is to be on such a device.

    Raises:
        ValueError: It lacks something.
    """
    if find_spec("bitsandbytes") is None:
        raise ValueError(f"{word} needs bitsandbytes; pip install bitsandbytes, or {remedy}")
    if not (on_cuda and torch.cuda.is_available()):
        raise ValueError(f"{word} needs a CUDA device; run it on one, or {remedy}")


def keep_in_few_bits(network: nn.Module, kind: Quantization) -> None:
    """Put layers of few bits in the place of linear ones, in place; moving them to CUDA makes them so.

    Args:
        network: Whole, on the CPU.
        kind: How few.
    """
    for path, module in list(network.named_modules()):
        parent, _, name = path.rpartition(".")
        if type(module) is nn.Linear and name not in WORDS:  # others of its kind are in few bits already
            setattr(network.get_submodule(parent), name, _few_bits(module, kind))


def _few_bits(layer: nn.Linear, kind: Quantization) -> Any:
    kinds: Any = import_module("bitsandbytes").nn  # few machines have it
    sizes = (layer.in_features, layer.out_features, layer.bias is not None)
    if kind is Quantization.nf4:
        made = kinds.Linear4bit(*sizes, compute_dtype=layer.weight.dtype, quant_type="nf4")
        made.weight = kinds.Params4bit(layer.weight.data, requires_grad=False, quant_type="nf4")
    else:
        made = kinds.Linear8bitLt(*sizes, has_fp16_weights=False)
        made.weight = kinds.Int8Params(layer.weight.data, requires_grad=False, has_fp16_weights=False)
    if layer.bias is not None:
        made.bias = layer.bias
    return made
