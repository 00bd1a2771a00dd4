"""A model of ours as a folder that LLaVA's own code loads (llava/model/builder.py at 1.2.2)."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor
from transformers import CLIPImageProcessor, PreTrainedConfig

from vlm.data.image import ImageTransform
from vlm.encoder.open_clip import OpenCLIPEncoder
from vlm.exchange import llava
from vlm.exchange.foreign import OTHERS_FILE, PROJECTOR_FILE
from vlm.exchange.lora import CONFIG_FILE as LORA_CONFIG_FILE
from vlm.exchange.names import LLAVA, LLAVA_LINEAR, Layout
from vlm.exchange.places import pieces_of
from vlm.exchange.settings import configuration_of, read_json, stated
from vlm.exchange.tower import ROUTE, Tower, tower_of
from vlm.exchange.written import SHARD, copy_tokenizer, named_by, write_pickled, write_weights
from vlm.model.vision_language import VisionLanguageModel
from vlm.projector.base import Projector
from vlm.projector.identity import IdentityProjector
from vlm.projector.mlp import MLPProjector

TOWER_FOLDER = "vision_tower"
"""Of a tower that is published nowhere; LLaVA finds it if it is started in the exported folder."""
PUBLISHED: Mapping[str, str] = {
    "ViT-L-14-336-quickgelu": "openai/clip-vit-large-patch14-336",
    "ViT-L-14-quickgelu": "openai/clip-vit-large-patch14",
}
"""Towers of open_clip, and where transformers finds them."""
MODES: Mapping[str, str] = {"crop": "square", "pad": "pad", "anyres": "anyres"}
IN_PEFT = "base_model.model."
"""Before every name in a file of LLaVA's LoRA."""


def check_llava(model: VisionLanguageModel, transform: ImageTransform) -> None:
    """Hold a model to what LLaVA's code can be.

    Raises:
        ValueError: It cannot be this.
    """
    tower = tower_of(model.encoder)
    if tower.config.model_type != "clip_vision_model" or len(tower.layers) > 1:
        raise ValueError(f"LLaVA's code reads one layer of a CLIP tower, and this is another; {ROUTE}")
    _projector(model.projector)
    _llm(model)
    if transform.mode not in MODES:
        raise ValueError(
            f"LLaVA's code has no way to prepare pictures like stage.image.mode={transform.mode}; {ROUTE}"
        )
    if transform.mode == "anyres" and tower.keeps_class_token:
        raise ValueError(f"LLaVA's code keeps no class token of tiles (encoder.class_token); {ROUTE}")


def write_whole(
    model: VisionLanguageModel,
    transform: ImageTransform,
    folder: Path,
    has_published_tower: bool,
    shard_size: int = SHARD,
) -> None:
    """Write a whole model, its tower in it.

    Args:
        model: Built, adapters merged.
        transform: How it prepares pictures.
        folder: Is there and empty.
        has_published_tower: Whether its encoder is as it was published.
        shard_size: Of a file of weights, in bytes.
    """
    settings = _settings(model, transform, folder, has_published_tower)
    settings["unfreeze_mm_vision_tower"] = not has_published_tower  # else LLaVA looks at nothing but the name
    _write_json(folder / "config.json", settings)
    write_weights(folder, named_by(_layout(model.projector), pieces_of(model)), shard_size=shard_size)
    copy_tokenizer(model.llm.tokenizer.name_or_path, folder)


def write_projector(
    model: VisionLanguageModel, transform: ImageTransform, folder: Path, base: str, has_published_tower: bool
) -> None:
    """Write a connector alone, as LLaVA's first stage leaves it.

    Args:
        model: Built.
        transform: How it prepares pictures.
        folder: Is there and empty.
        base: The LLM that it was trained on: a folder, or a hub's name.
        has_published_tower: Whether its encoder is as it was published.
    """
    settings = _settings(model, transform, folder, has_published_tower)
    _write_json(folder / "config.json", {**settings, "_name_or_path": base})
    write_pickled(folder / PROJECTOR_FILE, _connector(model))


def write_adapter(
    model: VisionLanguageModel,
    transform: ImageTransform,
    folder: Path,
    base: str,
    adapter: Path,
    has_published_tower: bool,
) -> None:
    """Write a LoRA adapter, and beside it what else was trained.

    Args:
        model: Built, the adapter merged.
        transform: How it prepares pictures.
        folder: Is there and empty.
        base: The LLM that it was trained on: a folder, or a hub's name.
        adapter: A folder in peft's format.
        has_published_tower: Whether its encoder is as it was published.
    """
    settings = _settings(model, transform, folder, has_published_tower)
    _write_json(folder / "config.json", {**settings, "_name_or_path": base})
    copy_adapter(adapter, folder, base)
    others = {f"{IN_PEFT}{name}": tensor for name, tensor in _connector(model).items()}
    write_pickled(folder / OTHERS_FILE, others)


def copy_adapter(adapter: Path, folder: Path, base: str) -> None:
    """Copy an adapter in peft's format, and let it say what it stands beside."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in adapter.iterdir():
        if path.name != LORA_CONFIG_FILE:
            shutil.copyfile(path, folder / path.name)
    settings = read_json(adapter / LORA_CONFIG_FILE)
    _write_json(folder / LORA_CONFIG_FILE, {**settings, "base_model_name_or_path": base})


def _connector(model: VisionLanguageModel) -> dict[str, Tensor]:
    tensors = {name: tensor for name, tensor in pieces_of(model).items() if name.startswith("projector.")}
    return named_by(_layout(model.projector), tensors)


def _layout(projector: Projector) -> Layout:
    return LLAVA_LINEAR if isinstance(projector, MLPProjector) and projector.depth == 1 else LLAVA


def _settings(
    model: VisionLanguageModel, transform: ImageTransform, folder: Path, has_published_tower: bool
) -> dict[str, Any]:
    """Return `config.json`; the tower's folder is written if it needs one."""
    check_llava(model, transform)
    tower = tower_of(model.encoder)
    named = PUBLISHED.get(_architecture(model)) if has_published_tower else None
    if named is None:
        _write_tower(model, transform, tower, folder / TOWER_FOLDER)
    kind, architecture = _llm(model)
    return {
        **_of_llm(configuration_of(model.llm)),
        "architectures": [architecture],
        "model_type": kind,
        "torch_dtype": str(next(model.parameters()).dtype).removeprefix("torch."),
        "mm_projector_type": _projector(model.projector),
        "mm_hidden_size": model.encoder.vision_dim,
        "mm_vision_tower": named or TOWER_FOLDER,
        # Of a published tower LLaVA has all layers; of one that is written here, those that are needed.
        "mm_vision_select_layer": (tower.of_published if named else tower.layers)[0],
        "mm_vision_select_feature": "cls_patch" if tower.keeps_class_token else "patch",
        "mm_use_im_start_end": False,
        "mm_use_im_patch_token": False,
        "use_mm_proj": True,
        "tokenizer_model_max_length": model.llm.context_length,
        "tokenizer_padding_side": "right",
        **_of_pictures(transform),
    }


def _architecture(model: VisionLanguageModel) -> str:
    encoder = model.encoder
    return str(encoder.architecture) if isinstance(encoder, OpenCLIPEncoder) else ""


def _llm(model: VisionLanguageModel) -> tuple[str, str]:
    """Return the model type and the class of the LLM that LLaVA makes of ours."""
    config = configuration_of(model.llm)
    for kind, known in llava.LLMS.items():
        if known == config.model_type:
            return kind, {"qwen2": "LlavaQwenForCausalLM"}.get(known, f"Llava{known.title()}ForCausalLM")
    raise ValueError(
        f"LLaVA's code has LLMs of {', '.join(llava.LLMS.values())}, and this is a {config.model_type}; "
        f"{ROUTE}"
    )


def _projector(projector: Projector) -> str:
    if isinstance(projector, IdentityProjector):
        return "identity"
    if isinstance(projector, MLPProjector):
        return "linear" if projector.depth == 1 else f"mlp{projector.depth}x_gelu"
    raise ValueError(
        "LLaVA's code has connectors of linear layers (projector=linear, mlp2, mlp4) and none at all, and "
        f"this is a {type(projector).__name__}; {ROUTE}"
    )


def _of_llm(config: PreTrainedConfig) -> dict[str, Any]:
    """Return what a configuration says, as transformers 4 wrote it."""
    settings = stated(config)
    rope = settings.pop("rope_parameters", None) or {}
    scaled = {key: value for key, value in rope.items() if key != "rope_theta"}
    special = ("bos_token_id", "eos_token_id", "pad_token_id")
    is_scaled = scaled.get("rope_type", "default") != "default"
    return {
        **settings,
        "rope_theta": rope.get("rope_theta", 10000.0),
        **({"rope_scaling": scaled} if is_scaled else {}),
        **{key: getattr(config, key) for key in special if getattr(config, key, None) is not None},
        "use_cache": True,
    }


def _of_pictures(transform: ImageTransform) -> dict[str, Any]:
    settings: dict[str, Any] = {"image_aspect_ratio": MODES[transform.mode]}
    if transform.mode == "anyres":
        names = {ours: theirs for theirs, ours in llava.MERGES.items()}
        side = transform.size
        settings |= {
            "mm_patch_merge_type": names[transform.merge],
            "image_grid_pinpoints": [[columns * side, rows * side] for rows, columns in transform.grids],
        }
    return settings


def _write_tower(model: VisionLanguageModel, transform: ImageTransform, tower: Tower, folder: Path) -> None:
    folder.mkdir()
    tower.config.architectures = ["CLIPVisionModel"]
    tower.config.save_pretrained(folder)
    square = {"height": transform.size, "width": transform.size}
    CLIPImageProcessor(
        size={"shortest_edge": transform.size},
        crop_size=square,
        image_mean=list(transform.mean),
        image_std=list(model.encoder.std),
    ).save_pretrained(folder)
    kept = {name: tensor for name, tensor in pieces_of(model).items() if name.startswith("encoder.")}
    tensors = kept | dict(tower.unused)
    write_weights(
        folder, {f"vision_model.{name.removeprefix('encoder.')}": tensor for name, tensor in tensors.items()}
    )


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True, default=str))
