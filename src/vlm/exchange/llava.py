"""LLaVA's own folders (llava/model/builder.py at 1.2.2), whatever they are called."""

import ast
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import AutoConfig

from vlm.checkpoint import read_checkpoint
from vlm.exchange.huggingface import CONFIG_FILE, from_the_end
from vlm.exchange.pictures import read_grids
from vlm.exchange.settings import keys_of, read_configuration, require
from vlm.exchange.tensors import Weights, has_tower
from vlm.exchange.words import llm_words, spell, stage_words

TOWERS: Mapping[str, str] = {
    "openai/clip-vit-large-patch14-336": "clip336",
    "openai/clip-vit-large-patch14": "clip224",
}
"""Published towers that have a word."""
SIZES: Mapping[str, tuple[int, int]] = {"clip336": (336, 24), "clip224": (224, 24)}
"""Their pixels and blocks."""
LLMS: Mapping[str, str] = {"llava_llama": "llama", "llava_mistral": "mistral", "llava_qwen": "qwen2"}
"""What transformers calls the LLM of each class; MPT's takes no positions, and cannot be read."""
OLD_LLMS: Mapping[str, str] = {"LlavaLlamaForCausalLM": "llama", "LlavaMistralForCausalLM": "mistral"}
"""The same, of folders from before transformers had a `llava` of its own."""
UNSET = {"sliding_window"}
"""Settings that are not as by default where they are null."""
SCALED = "clip336_s2"
MERGES: Mapping[str, str] = {"flat": "flat", "spatial": "spatial", "spatial_unpad": "unpad"}


def words(settings: Mapping[str, Any], weights: Sequence[Weights], path: Path, files: str) -> list[str]:
    """Return the words of a checkpoint.

    Args:
        settings: Its `config.json`.
        weights: Its tensors.
        path: Of its `config.json`.
        files: Where its tokenizer is: a folder, or a hub's name.

    Raises:
        ValueError: It is what no sentence says.
    """
    if (
        path.parent / _tower_name(settings)
    ).is_dir():  # beside it, as we write those that are published nowhere
        settings = {**settings, "mm_vision_tower": str(path.parent / _tower_name(settings))}
    require(path, settings, "mm_use_im_start_end", (False, None), "marks around pictures")
    require(path, settings, "mm_resampler_type", (None,))
    kind = _llm(path, settings)
    known = keys_of(kind) | {"rope_theta", "rope_scaling"}
    said = {key: settings[key] for key in known & set(settings)}
    kept = {key: value for key, value in said.items() if value is not None or key in UNSET}
    config = read_configuration(path, kind, kept)
    own_head = any("llm.lm_head.weight" in part.present for part in weights)
    return [
        *_tower(path, settings, has_tower(weights)),
        *_projector(path, settings),
        *llm_words(config, files, config.tie_word_embeddings and not own_head),
        *_pictures(path, settings),
    ]


def _llm(path: Path, settings: Mapping[str, Any]) -> str:
    if settings.get("model_type") == "llava":
        name = (settings.get("architectures") or list(OLD_LLMS))[0]
        return OLD_LLMS[require(path, {"architectures": name}, "architectures", list(OLD_LLMS))]
    return LLMS[require(path, settings, "model_type", list(LLMS))]


def _projector(path: Path, settings: Mapping[str, Any]) -> list[str]:
    kind = settings.get("mm_projector_type", "linear")
    layers = re.fullmatch(r"mlp(\d+)x_gelu", kind)
    if layers:
        return ["projector=mlp2", f"projector.depth={int(layers[1])}"]
    known = ("linear", "identity")
    return [f"projector={require(path, settings, 'mm_projector_type', known, 'and mlp2x_gelu and its like')}"]


def _tower(path: Path, settings: Mapping[str, Any], in_files: bool) -> list[str]:
    """Return the words of a tower, to be read from the files or from where it is published."""
    name = _tower_name(settings)
    feature = require(path, settings, "mm_vision_select_feature", ("patch", "cls_patch"))
    layer = settings.get("mm_vision_select_layer", -1)
    if layer >= 0:
        layer = from_the_end(path, layer, _size(name)[1])
    chosen, key = TOWERS.get(name, "huggingface"), "encoder"
    extra = [] if name in TOWERS else [spell("encoder.checkpoint", name)]
    if settings.get("s2"):
        require(path, {"mm_vision_tower": chosen}, "mm_vision_tower", ("clip336",), "together with s2")
        chosen, key = SCALED, "encoder.encoder"
        extra = [spell("encoder.scales", _scales(path, settings))]
    weights = [f"{key}.weights=random"] if in_files else []
    spelled = [spell(f"{key}.layer", layer), spell(f"{key}.class_token", feature == "cls_patch")]
    return [f"encoder={chosen}", *extra, *weights, *spelled]


def _tower_name(settings: Mapping[str, Any]) -> str:
    return str(settings["mm_vision_tower"])


def _size(tower: str) -> tuple[int, int]:
    """Return a tower's pixels and its number of blocks.

    Raises:
        ValueError: Its configuration is on no hub and in no folder.
    """
    if tower in TOWERS:
        return SIZES[TOWERS[tower]]
    config = read_checkpoint(AutoConfig, "encoder", tower, CONFIG_FILE)
    config = getattr(config, "vision_config", config)
    return config.image_size, config.num_hidden_layers


def _scales(path: Path, settings: Mapping[str, Any]) -> list[int]:
    """Return sizes of a picture as multiples of the smallest."""
    sizes = sorted(int(size) for size in str(settings.get("s2_scales", "336,672,1008")).split(","))
    base, _ = SIZES["clip336"]
    if sizes[0] != base or any(size % base for size in sizes):
        raise ValueError(f"{path} says s2_scales={sizes}, which cannot be read; multiples of {base} can")
    return [size // base for size in sizes]


def _pictures(path: Path, settings: Mapping[str, Any]) -> list[str]:
    mode = require(path, settings, "image_aspect_ratio", ("square", "pad", "anyres", None))
    if mode != "anyres":
        return stage_words("pad" if mode == "pad" else "crop")
    require(path, settings, "mm_vision_select_feature", ("patch",), "together with tiles")
    merge = MERGES[require(path, settings, "mm_patch_merge_type", list(MERGES))]
    side, _ = _size(_tower_name(settings))
    sizes = [(height, width) for width, height in _pinpoints(path, settings)]
    return stage_words("anyres", read_grids(path, sizes, side), merge)


def _pinpoints(path: Path, settings: Mapping[str, Any]) -> list[Sequence[int]]:
    """Return width and height of each canvas, in pixels; some files have them in a text."""
    stated: Any = settings.get("image_grid_pinpoints")
    try:
        found = ast.literal_eval(stated) if isinstance(stated, str) else stated
        return [(int(width), int(height)) for width, height in found]
    except (ValueError, SyntaxError, TypeError) as error:
        raise ValueError(
            f"{path} says image_grid_pinpoints={stated}, which cannot be read; [[width,height],...] can"
        ) from error
