"""transformers' folders: `LlavaForConditionalGeneration` and `LlavaNextForConditionalGeneration`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import PreTrainedConfig

from vlm.exchange.pictures import read_grids, read_processor, square_mode
from vlm.exchange.settings import read_configuration, require
from vlm.exchange.tensors import Weights
from vlm.exchange.words import llm_words, spell, stage_words, tower_words

MODELS = ("llava", "llava_next")
CLASS_TOKENS: Mapping[str, bool] = {"clip_vision_model": True, "siglip_vision_model": False}
"""Towers, and whether they have a feature of no place before those of patches."""
CONFIG_FILE = "config.json"


def words(folder: Path, settings: Mapping[str, Any], weights: Sequence[Weights]) -> list[str]:
    """Return the words of a folder.

    Args:
        folder: Its tokenizer and the file of its processor are there.
        settings: Its `config.json`.
        weights: Its tensors.

    Raises:
        ValueError: It is what no sentence says.
    """
    path = folder / CONFIG_FILE
    kind = require(path, settings, "model_type", MODELS)
    config = read_configuration(path, kind, settings)
    require(path, config.to_dict(), "projector_hidden_act", ("gelu",))
    require(path, config.to_dict(), "multimodal_projector_bias", (True,))
    tied = any(part.tie_word_embeddings for part in (config, config.text_config))
    own_head = any("llm.lm_head.weight" in part.present for part in weights)
    return [
        *_tower(folder, config),
        "projector=mlp2",
        *llm_words(config.text_config, str(folder), tied and not own_head),
        *_pictures(folder, config),
    ]


def _tower(folder: Path, config: PreTrainedConfig) -> list[str]:
    path, tower = folder / CONFIG_FILE, config.vision_config
    has_class_token = CLASS_TOKENS[
        require(path, tower.to_dict(), "model_type", list(CLASS_TOKENS), "of vision_config")
    ]
    whole = config.vision_feature_select_strategy == "full"
    if not (whole or has_class_token):
        raise ValueError(
            f"{path} says vision_feature_select_strategy=default, which drops the first patch of a tower "
            "without class token and cannot be read; full can"
        )
    layers, depth = config.vision_feature_layer, tower.num_hidden_layers
    several = isinstance(layers, list | tuple)
    chosen = [from_the_end(path, layer, depth) for layer in (layers if several else [layers])]
    _, processor = read_processor(folder)
    return [
        *tower_words(tower, str(folder)),
        spell("encoder.layer", chosen if several else chosen[0]),
        spell("encoder.class_token", whole and has_class_token),
        *(spell(f"encoder.{name}", processor[f"image_{name}"]) for name in ("mean", "std")),
    ]


def from_the_end(path: Path, layer: int, depth: int) -> int:
    """Return which block, counted from the last, makes a hidden state; these are counted from the embeddings.

    Raises:
        ValueError: None does.
    """
    found = layer if layer < 0 else layer - depth - 1
    if not -depth <= found < 0:
        raise ValueError(
            f"{path} says layer {layer} of the tower, which cannot be read; those of its {depth} blocks can"
        )
    return found


def _pictures(folder: Path, config: PreTrainedConfig) -> list[str]:
    side = config.vision_config.image_size
    path, processor = read_processor(folder)
    if config.model_type == "llava":
        return stage_words(square_mode(path, processor, side))
    keeps_all = config.vision_feature_select_strategy == "full"
    if keeps_all and CLASS_TOKENS[config.vision_config.model_type]:
        raise ValueError(
            f"{folder / CONFIG_FILE} says vision_feature_select_strategy=full, which cannot be read together "
            "with tiles; default can"
        )
    sizes = [list(size) for size in config.image_grid_pinpoints]
    require(path, processor, "image_grid_pinpoints", (sizes,), "config.json says others")
    square_mode(path, {**processor, "do_pad": False}, side)  # of each tile
    return stage_words("anyres", read_grids(folder / CONFIG_FILE, sizes, side), "unpad")
