"""Our encoder as a vision tower of transformers: its configuration, and what of it we do not keep."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import CLIPVisionConfig, PreTrainedConfig

from vlm.encoder.base import Encoder
from vlm.encoder.huggingface import HuggingFaceEncoder
from vlm.encoder.open_clip import OpenCLIPEncoder
from vlm.exchange.huggingface import CLASS_TOKENS

OPEN_CLIP = {"image_size", "layers", "width", "head_width", "patch_size", "mlp_ratio", "patch_dropout"}
"""What of an open_clip tower's configuration transformers' CLIP can say, or does not matter to it."""
ROUTE = "export it with format=parts"


@dataclass(frozen=True)
class Tower:
    """A vision tower of transformers with as many layers as the features need.

    Args:
        config: Of the tower.
        layers: Which of its hidden states are the features, from the last, -1; joined by channel.
        of_published: The same, counted in the tower as it was published.
        has_class_token: Whether it makes a feature of no place before those of patches.
        keeps_class_token: Whether that is one of the features.
        unused: Tensors that the tower has and no feature needs, as they do nothing.
    """

    config: PreTrainedConfig
    layers: list[int]
    of_published: list[int]
    has_class_token: bool
    keeps_class_token: bool
    unused: Mapping[str, Tensor]

    @property
    def layer(self) -> int | list[int]:
        """As configurations say it: one number, if it is one layer."""
        return self.layers[0] if len(self.layers) == 1 else self.layers

    @property
    def strategy(self) -> str:
        """What transformers calls which features are taken."""
        return "full" if self.keeps_class_token or not self.has_class_token else "default"


def tower_of(encoder: Encoder) -> Tower:
    """Return an encoder as a tower.

    Raises:
        ValueError: transformers' LLaVA has no such tower.
    """
    if not isinstance(encoder, OpenCLIPEncoder | HuggingFaceEncoder):
        raise ValueError(
            f"LLaVA has one plain CLIP or SigLIP tower, and this encoder is a {type(encoder).__name__}; "
            f"{ROUTE}"
        )
    chosen = [encoder.num_layers + layer for layer in encoder.layers]
    depth = max(chosen) + 1
    if isinstance(encoder, OpenCLIPEncoder):
        config = _of_open_clip(encoder, depth)
    else:
        config = _of_transformers(encoder, depth)
    ones = torch.ones(config.hidden_size)
    unused = {"post_layernorm.weight": ones, "post_layernorm.bias": torch.zeros_like(ones)}
    return Tower(
        config,
        [number - depth for number in chosen],
        encoder.layers,
        CLASS_TOKENS[config.model_type],
        encoder.class_token,
        {f"encoder.{name}": tensor for name, tensor in unused.items()},
    )


def _of_open_clip(encoder: OpenCLIPEncoder, depth: int) -> PreTrainedConfig:
    config, vision = encoder.description, encoder.description["vision_cfg"]
    unknown = sorted(set(vision) - OPEN_CLIP)
    if unknown or not isinstance(vision["layers"], int):
        raise ValueError(
            f"encoder.architecture has vision_cfg.{unknown[0] if unknown else 'layers'}, which no CLIP of "
            f"transformers has; {ROUTE}"
        )
    width = vision["width"]
    return CLIPVisionConfig(
        hidden_size=width,
        intermediate_size=int(width * vision.get("mlp_ratio", 4.0)),
        num_hidden_layers=depth,
        num_attention_heads=width // vision.get("head_width", 64),
        image_size=vision["image_size"],
        patch_size=vision["patch_size"],
        hidden_act="quick_gelu" if config.get("quick_gelu", False) else "gelu",
    )


def _of_transformers(encoder: HuggingFaceEncoder, depth: int) -> PreTrainedConfig:
    settings: dict[str, Any] = encoder.config.to_dict()
    kind = encoder.config.model_type
    if kind not in CLASS_TOKENS:
        raise ValueError(
            f"LLaVA has one plain CLIP or SigLIP tower, and encoder.checkpoint={encoder.checkpoint} is a "
            f"{kind}; {ROUTE}"
        )
    if encoder.config.image_size != encoder.image_size:
        raise ValueError(
            f"encoder.image_size={encoder.image_size} is not the {encoder.config.image_size} pixels that the "
            f"tower learned at, and LLaVA interpolates no positions; {ROUTE}"
        )
    if kind == "siglip_vision_model":
        settings["vision_use_head"] = False
    return type(encoder.config)(**{**settings, "num_hidden_layers": depth})
