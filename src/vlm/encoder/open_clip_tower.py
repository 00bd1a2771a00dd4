"""How open_clip builds a vision tower, and what is written of it."""

import json
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import open_clip
import timm
import torch
from open_clip.model import _build_vision_tower
from timm.layers.norm_act import freeze_batch_norm_2d
from torch import nn

CONFIG_FILE = "open_clip_config.json"
SMALL_TIMM: Sequence[Mapping[str, Any]] = (
    {"embed_dim": 32, "depth": 4, "num_heads": 4},
    {"depths": (1, 1, 1, 1), "dims": (8, 16, 24, 32)},
    {"depth": 4},
)
"""Sizes of small networks, by the names of timm's transformers, of its ConvNeXts, of its ViTamins."""


def build_tower(config: Mapping[str, Any], depth: int | None = None) -> nn.Module:
    """Return a vision tower with random weights.

    Args:
        config: Of open_clip's form.
        depth: Layers of one of open_clip's own transformers; others always come whole.
    """
    vision = dict(config["vision_cfg"])
    small = vision.pop("timm_small", None)  # of a twin
    if depth is not None and isinstance(vision.get("layers"), int):
        vision["layers"] = depth
    if small is None:
        network = _build_vision_tower(config["embed_dim"], vision, config.get("quick_gelu", False))
    else:
        with torch.device("meta"):  # its head, which the features do not need
            network = _build_vision_tower(config["embed_dim"], vision)
        network.trunk = timm.create_model(vision["timm_model_name"], num_classes=0, **small)
    # Statistics of a batch would make features depend on what else is in it, and are no weights to save.
    frozen: nn.Module = freeze_batch_norm_2d(network)  # type: ignore[no-untyped-call]
    return frozen.eval()


def layers_of(network: nn.Module) -> list[nn.Module]:
    """Return what open_clip's and timm's `forward_intermediates` counts as layers."""
    if hasattr(network, "transformer"):
        return list(network.transformer.resblocks)  # type: ignore[union-attr, arg-type]
    if hasattr(network, "layer1"):  # a ResNet
        return [getattr(network, name) for name in ("conv1", "layer1", "layer2", "layer3", "layer4")]
    trunk: Any = network.trunk
    return list(chain(getattr(trunk, "blocks", getattr(trunk, "stages", getattr(trunk, "layers", ())))))


def has_class_token(network: nn.Module) -> bool:
    """Whether a tower has a feature of no place, before those of the patches."""
    return (
        hasattr(network, "class_embedding")
        or getattr(getattr(network, "trunk", None), "num_prefix_tokens", 0) > 0
    )


def small_tower(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration of a tower of the same wiring, with few and narrow layers."""
    vision = dict(config["vision_cfg"])
    if "timm_model_name" in vision:
        vision["timm_small"] = _small_timm(vision["timm_model_name"])
    elif isinstance(vision["layers"], int):
        vision |= {"layers": 4, "width": 32, "head_width": 8, "image_size": 4 * vision["patch_size"]}
    else:  # a ResNet, whose last stage has one place for 32 x 32 pixels
        vision |= {"layers": [1, 1, 1, 1], "width": 8, "image_size": 128}
    return {**config, "embed_dim": 8, "vision_cfg": vision}


def _small_timm(name: str) -> dict[str, Any]:
    """Return small sizes by the first names that the network takes; none of them, and it stays as it is."""
    for small in SMALL_TIMM:
        try:
            with torch.device("meta"):
                timm.create_model(name, num_classes=0, **small)
        except (TypeError, AssertionError):  # it takes no such sizes
            continue
        return dict(small)
    return {}


def read_preprocessing(
    architecture: str | Mapping[str, Any] | None, checkpoint: str, files: Path
) -> dict[str, Any]:
    """Return the `mean` and `std` that are published with a checkpoint; CLIP's own, if none are."""
    published = {}
    if isinstance(architecture, str):
        published = open_clip.get_pretrained_cfg(architecture, checkpoint)
    elif (files / CONFIG_FILE).is_file():
        published = json.loads((files / CONFIG_FILE).read_text()).get("preprocess_cfg", {})
    return {"mean": open_clip.OPENAI_DATASET_MEAN, "std": open_clip.OPENAI_DATASET_STD} | published


def read_config(architecture: str | Mapping[str, Any] | None, files: Path) -> dict[str, Any]:
    """Return open_clip's configuration of a model.

    Raises:
        ValueError: There is no such architecture, or no configuration in the folder.
    """
    if isinstance(architecture, Mapping):
        return dict(architecture)
    if architecture is not None:
        known = open_clip.get_model_config(architecture)
        if known is None:
            raise ValueError(
                f"encoder.architecture={architecture} is none of open_clip.list_models(); choose one of them"
            )
        return dict(known)
    if not (files / CONFIG_FILE).is_file():
        raise ValueError(f"encoder.checkpoint={files} is no folder with {CONFIG_FILE}; give its path")
    config: dict[str, Any] = json.loads((files / CONFIG_FILE).read_text())["model_cfg"]
    return config
