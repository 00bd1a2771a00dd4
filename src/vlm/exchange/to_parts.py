"""A run of ours in one folder that needs no other: each part in the format that parts are published in.

config.yaml          what the run was told, with its parts' weights beside it
manifest.json        what the run says of itself
encoder/             open_clip's or transformers' format; of several encoders, a folder each
projector/           projector.safetensors
llm/                 transformers' format, with the tokenizer
weights/llm/         a LoRA adapter, if it is not merged; there is no llm/ then
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf
from torch import nn

from vlm.encoder.base import Encoder
from vlm.encoder.fused import FusedEncoder
from vlm.encoder.huggingface import HuggingFaceEncoder
from vlm.encoder.multi_scale import MultiScaleEncoder
from vlm.encoder.open_clip import WEIGHTS_FILE as OPEN_CLIP_WEIGHTS_FILE
from vlm.encoder.open_clip import OpenCLIPEncoder
from vlm.encoder.open_clip_tower import CONFIG_FILE as OPEN_CLIP_CONFIG_FILE
from vlm.exchange.places import kept_once
from vlm.exchange.to_llava import copy_adapter
from vlm.exchange.written import SHARD, copy_tokenizer, write_weights
from vlm.instantiate import twin_settings
from vlm.llm.base import LLM
from vlm.model.vision_language import VisionLanguageModel
from vlm.run.folder import RunFolder

BESIDE = "./"
"""Begins a path that is of the folder in which it is written."""
TOLD = (
    "encoder", "projector", "llm", "adapter", "stage", "mixture", "seed", "parity",
)  # fmt: skip
"""What of a run's config goes with it; the rest is of whoever ran it."""


def write_parts(
    model: VisionLanguageModel,
    config: DictConfig,
    manifest: Mapping[str, Any],
    folder: Path,
    adapter: Path | None = None,
    shard_size: int = SHARD,
) -> None:
    """Write a run's folder.

    Args:
        model: Built, adapters merged.
        config: Of the run.
        manifest: What the run says of itself.
        folder: Is there and empty.
        adapter: Of the LLM, in peft's format, to be written instead of the LLM; its base stays where it is.
        shard_size: Of a file of weights, in bytes.

    Raises:
        ValueError: A part has no format that it could be written in.
    """
    told = _told(config)
    told["encoder"] = _write_encoder(model.encoder, told["encoder"], folder, "encoder")
    told["projector"] = _write_projector(model.projector, told["projector"], folder)
    if adapter is None:
        told["llm"] |= _write_llm(model.llm, folder / "llm", shard_size)
    else:
        copy_adapter(adapter, folder / "weights/llm", model.llm.source)
    if isinstance(told["stage"], dict):
        told["stage"] |= {"after": None, "mixture": None}
        if adapter is None:  # nothing of it waits to be merged
            told["stage"]["learns"] = {
                part: "full" if how == "adapter" else how for part, how in told["stage"]["learns"].items()
            }
    run = RunFolder(folder)
    run.config.write_text(OmegaConf.to_yaml(OmegaConf.create(told)))
    run.finish({**manifest, "identity": {**manifest["identity"], "after": None}})


def beside(node: Any, folder: Path) -> Any:
    """Return a config whose paths beside it are paths."""
    if isinstance(node, dict):
        return {key: beside(value, folder) for key, value in node.items()}
    if isinstance(node, list):
        return [beside(value, folder) for value in node]
    is_beside = isinstance(node, str) and node.startswith(BESIDE)
    return str(folder / node.removeprefix(BESIDE)) if is_beside else node


def _told(config: DictConfig) -> dict[str, Any]:
    plain = cast(dict[str, Any], OmegaConf.to_container(config, resolve=True, enum_to_str=True))
    told = {key: plain[key] for key in TOLD}
    if plain["twin"]:
        told |= {part: twin_settings(told[part]) for part in ("encoder", "projector", "llm", "adapter")}
    return {**told, "twin": False}


def _write_encoder(encoder: Encoder, settings: dict[str, Any], folder: Path, name: str) -> dict[str, Any]:
    """Write an encoder, and return the settings that read it again."""
    if isinstance(encoder, FusedEncoder):
        parts = zip(encoder.names, encoder.network.children(), strict=True)
        written = {
            key: _write_encoder(cast(Encoder, part), settings["encoders"][key], folder, f"{name}/{key}")
            for key, part in parts
        }
        return {**settings, "encoders": written}
    if isinstance(encoder, MultiScaleEncoder):
        inner = cast(Encoder, encoder.network)
        return {**settings, "encoder": _write_encoder(inner, settings["encoder"], folder, name)}
    place = folder / name
    place.mkdir(parents=True)
    if isinstance(encoder, OpenCLIPEncoder):
        described = {
            "model_cfg": dict(encoder.description),
            "preprocess_cfg": {"mean": list(encoder.mean), "std": list(encoder.std)},
        }
        _write_json(place / OPEN_CLIP_CONFIG_FILE, described)
        tensors = {f"visual.{key}": tensor for key, tensor in kept_once(encoder.network).items()}
        write_weights(place, tensors, OPEN_CLIP_WEIGHTS_FILE.removesuffix(".safetensors"), 2**63)
    elif isinstance(encoder, HuggingFaceEncoder):
        encoder.config.save_pretrained(place)
        colors = {"image_mean": list(encoder.mean), "image_std": list(encoder.std)}
        _write_json(place / "preprocessor_config.json", colors)
        write_weights(place, kept_once(encoder.network))
    else:
        raise ValueError(f"encoder {type(encoder).__name__} has no format that it could be written in")
    return {**settings, "weights": f"{BESIDE}{name}"}


def _write_projector(projector: nn.Module, settings: dict[str, Any], folder: Path) -> dict[str, Any]:
    tensors = kept_once(projector)
    if not tensors:
        return {**settings, "weights": "random"}
    (folder / "projector").mkdir()
    write_weights(folder / "projector", tensors, "projector", 2**63)
    return {**settings, "weights": f"{BESIDE}projector"}


def _write_llm(llm: LLM, folder: Path, shard_size: int) -> dict[str, Any]:
    """Write an LLM, and return the settings that read it again."""
    folder.mkdir()
    network: Any = llm.get_submodule("network")
    network.config.architectures = [type(network).__name__]
    network.config.save_pretrained(folder)
    write_weights(folder, kept_once(network), shard_size=shard_size)
    copy_tokenizer(llm.tokenizer.name_or_path, folder)
    return {"weights": f"{BESIDE}llm", "config": None}  # as its own file says


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2, default=dict))
