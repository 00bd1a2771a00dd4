"""Low-rank adapters: LoRA, DoRA, and LoRA over weights of four bits."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers import BitsAndBytesConfig, PreTrainedModel

from vlm.adapter.base import Adapter
from vlm.few_bits import require_few_bits

ALL_LINEAR = "all-linear"


class LoRA(Adapter):
    """A product of two thin matrices beside each linear layer (Hu et al. 2021, arXiv:2106.09685).

    Args:
        rank: Columns of the thin matrices.
        alpha: The product counts alpha / rank times.
        dropout: Of what enters the product, in training.
        targets: `all-linear` for every linear layer but the head; or ends of layers' names.
        decompose: Learn each column's size and direction apart (DoRA, Liu et al. 2024, arXiv:2402.09353).
        four_bit: Keep the LLM's own weights in 4-bit normal floats (QLoRA, Dettmers et al. 2023,
            arXiv:2305.14314).

    Raises:
        ValueError: A value is outside its range.
    """

    def __init__(
        self,
        rank: int,
        alpha: int | float,
        dropout: float,
        targets: str | Sequence[str],
        decompose: bool,
        four_bit: bool,
    ) -> None:
        if rank < 1 or alpha <= 0 or not 0 <= dropout < 1:
            raise ValueError(
                "adapter.rank must be at least 1, alpha above 0 and dropout in [0, 1); "
                f"got {rank}, {alpha}, {dropout}"
            )
        self.rank, self.alpha, self.dropout = rank, alpha, dropout
        self.targets, self.decompose = targets, decompose
        self.four_bit = four_bit

    @property
    def quantization(self) -> Any:
        """4-bit normal floats with quantised scales, computed in bfloat16.

        Raises:
            ValueError: This machine lacks what they need.
        """
        if not self.four_bit:
            return None
        require_few_bits("adapter=qlora", "choose adapter=lora128")
        return BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16,
        )

    @classmethod
    def twin(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings with a small rank and the same scale, over whole weights."""
        rank = min(4, settings["rank"])
        alpha = settings["alpha"] * rank / settings["rank"]
        return {**settings, "rank": rank, "alpha": alpha, "four_bit": False}

    def attach(self, part: str, network: nn.Module) -> nn.Module:
        """Add a pair of matrices beside each target; the first is random, the second zero."""
        config = LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,  # type: ignore[arg-type]
            lora_dropout=self.dropout,
            bias="none",
            use_dora=self.decompose,
            target_modules=self.layers(part, network),
        )
        return get_peft_model(network, config)

    def layers(self, part: str, network: nn.Module) -> list[str]:
        """Return the names of the layers that it stands beside.

        Raises:
            ValueError: There is none, or a target names none.
        """
        linear = linear_layers(network)
        if self.decompose:  # peft has no such form for attention that is one module
            linear = [name for name in linear if isinstance(network.get_submodule(name), nn.Linear)]
        wanted = [""] if self.targets == ALL_LINEAR else [f".{target}" for target in self.targets]
        unmatched = [end[1:] for end in wanted if not any(f".{name}".endswith(end) for name in linear)]
        if unmatched or not wanted:
            kinds = sorted({name.rpartition(".")[2] for name in linear})
            raise ValueError(
                f"adapter.targets={unmatched} match no linear layer of the {part}; "
                f"choose all-linear or some of {', '.join(kinds) or 'none: it has no linear layer'}"
            )
        return [name for name in linear if any(f".{name}".endswith(end) for end in wanted)]


def linear_layers(network: nn.Module) -> list[str]:
    """Return the names of a network's linear layers, but for an LLM's head.

    An attention that is one module counts as one layer, as peft sees it.
    """
    head = network.get_output_embeddings() if isinstance(network, PreTrainedModel) else None
    whole = {name for name, module in network.named_modules() if isinstance(module, nn.MultiheadAttention)}
    return [
        name
        for name, module in network.named_modules()
        if name in whole
        or (isinstance(module, nn.Linear) and module is not head and name.rpartition(".")[0] not in whole)
    ]
