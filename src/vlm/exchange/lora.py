"""LoRA adapters in peft's format, added to the weights beneath them (Hu et al. 2021, arXiv:2106.09685)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from vlm.exchange.names import layout_of, unwrapped
from vlm.exchange.places import Places
from vlm.exchange.settings import read_json, require
from vlm.exchange.tensors import OF_ADAPTERS, each_tensor

CONFIG_FILE = "adapter_config.json"
FILES = ("adapter_model.safetensors", "adapter_model.bin")
MATRIX = re.compile(r"(.+)\.lora_([AB])(?:\.default)?\.weight")
PLAIN: Mapping[str, Sequence[Any]] = {
    "peft_type": ("LORA",),
    "use_dora": (False,),
    "fan_in_fan_out": (False,),
    "layer_replication": (None,),
    "init_lora_weights": (True, False, "gaussian"),  # others change the weights beneath, too
}
"""What an adapter may be, for its products to be all that it changes."""


@dataclass(frozen=True)
class LoRA:
    """What is to be added to a model: for each of some matrices, scale times B A.

    Args:
        path: Of its tensors.
        config: Its `adapter_config.json`.
    """

    path: Path
    config: Mapping[str, Any]

    @classmethod
    def at(cls, folder: Path) -> "LoRA":
        """Return the adapter of a folder; no tensor is read.

        Raises:
            ValueError: It has no tensors, or adds more than products of two matrices.
        """
        config = read_json(folder / CONFIG_FILE)
        for key, known in PLAIN.items():
            require(folder / CONFIG_FILE, config, key, known)
        found = [folder / name for name in FILES if (folder / name).is_file()]
        if not found:
            raise ValueError(f"{folder} has none of {', '.join(FILES)}; copy it again")
        return cls(found[0], config)

    def add_to(self, places: Places) -> None:
        """Add its products to filled pieces.

        Raises:
            ValueError: One belongs nowhere, has another shape, or lacks one of its matrices.
        """
        for name, product in self._products():
            places.add(name, product, f"{self.path}: {name}")

    def _products(self) -> Iterator[tuple[str, Tensor]]:
        """Yield pieces, and what is added to each."""
        waiting: dict[str, dict[str, Tensor]] = {}
        named = [(unwrapped(name), tensor) for name, tensor in each_tensor(self.path)]
        layout = layout_of(name for name, _ in named)
        for name, tensor in named:
            if OF_ADAPTERS not in f"{name}.":
                continue
            found = MATRIX.fullmatch(name)
            if not found:
                raise ValueError(f"{self.path}: {name} is no matrix A or B of LoRA; save it as plain LoRA")
            pair = waiting.setdefault(found[1], {})
            pair[found[2]] = tensor.float()
            if len(pair) == 2:
                del waiting[found[1]]
                scale = self._scale(found[1], len(pair["A"]))
                yield layout.piece(f"{found[1]}.weight"), pair["B"] @ pair["A"] * scale
        for name, pair in waiting.items():
            lost = "B" if "A" in pair else "A"
            raise ValueError(f"{self.path} lacks {name}.lora_{lost}.weight; copy it again")

    def _scale(self, module: str, rank: int) -> float:
        """Return alpha over the rank, as the configuration has it for a module."""
        patterns: Mapping[str, float] = self.config.get("alpha_pattern") or {}
        alphas = [alpha for key, alpha in patterns.items() if re.match(rf"(.*\.)?({key})$", module)]
        alpha = float(alphas[0] if alphas else self.config["lora_alpha"])
        return alpha / (rank**0.5 if self.config.get("use_rslora") else rank)
