"""Features equal those of transformers' own classes, read from folders in their format."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    CLIPConfig,
    CLIPModel,
    Dinov2Config,
    Dinov2Model,
    SamVisionConfig,
    SamVisionModel,
    SiglipConfig,
    SiglipModel,
    SiglipVisionModel,
)  # fmt: skip

from vlm.encoder.huggingface import HuggingFaceEncoder

SIZES = {"hidden_size": 32, "num_attention_heads": 4, "num_hidden_layers": 4}
VISION = SIZES | {"intermediate_size": 64, "image_size": 32, "patch_size": 8}
TEXT = SIZES | {"intermediate_size": 64, "vocab_size": 50, "projection_size": 32}


def siglip() -> tuple[Any, Any]:
    model = SiglipModel(SiglipConfig(vision_config=VISION, text_config=TEXT))
    return model, model.vision_model


def clip() -> tuple[Any, Any]:
    text = TEXT | {"eos_token_id": 49, "bos_token_id": 48}
    model = CLIPModel(CLIPConfig(vision_config=VISION, text_config=text, projection_dim=8))
    return model, model.vision_model


def dinov2() -> tuple[Any, Any]:
    model = Dinov2Model(Dinov2Config(**SIZES, mlp_ratio=2, image_size=32, patch_size=8))
    return model, model


def sam() -> tuple[Any, Any]:
    shape = {"mlp_dim": 64, "output_channels": 8, "window_size": 2, "global_attn_indexes": [1]}
    model = SamVisionModel(SamVisionConfig(**SIZES, **shape, image_size=32, patch_size=8))
    return model, model


FAMILIES = {"siglip": (siglip, 0), "clip": (clip, 1), "dinov2": (dinov2, 1), "sam": (sam, 0)}


def build(folder: Path, family: str, **changes: Any) -> HuggingFaceEncoder:
    settings = {
        "checkpoint": str(folder), "weights": "pretrained", "config": None, "image_size": 32, "layer": -2,
        "class_token": False, "mean": [0.5] * 3, "std": [0.5] * 3,
        "licence": "CC0-1.0",
    }  # fmt: skip
    encoder = HuggingFaceEncoder(**(settings | changes))
    encoder.locate()
    encoder.configure_model()
    return encoder.eval()


def block_outputs(tower: Any, pixels: torch.Tensor) -> list[torch.Tensor]:
    """What each block of the upstream model returns, as tokens."""
    stacks = [m for m in tower.modules() if isinstance(m, torch.nn.ModuleList) and len(m) == 4]
    outputs: list[torch.Tensor] = []
    for block in stacks[0]:
        block.register_forward_hook(
            lambda *call: outputs.append(call[2] if torch.is_tensor(call[2]) else call[2][0])
        )
    tower.eval()(pixels)
    return [output.flatten(1, -2) for output in outputs]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("layer", [-1, -2, [-2, -4]])
def test_features_equal_upstreams(family: str, layer: int | list[int], tmp_path: Path) -> None:
    """Fp32, the same operations in the same order: equal to rounding."""
    make, prefix = FAMILIES[family]
    model, tower = make()
    model.save_pretrained(tmp_path)
    pixels = torch.randn(2, 3, 32, 32)
    encoder = build(tmp_path, family, layer=layer)
    upstream = block_outputs(tower, pixels)
    chosen = [layer] if isinstance(layer, int) else layer
    expected = torch.cat([upstream[number][:, prefix:] for number in chosen], dim=-1)
    assert torch.allclose(encoder(pixels), expected, atol=1e-5)
    assert len(encoder.blocks[0]) == 4 + max(chosen) + 1
    assert encoder(pixels).shape == (2, 16, encoder.vision_dim)


def test_the_blocks_hooked_are_the_hidden_states(tmp_path: Path) -> None:
    """The last but one is what transformers calls `hidden_states[-2]`, LLaVA's choice."""
    model, tower = clip()
    model.save_pretrained(tmp_path)
    pixels = torch.randn(1, 3, 32, 32)
    states = tower.eval()(pixels, output_hidden_states=True).hidden_states
    assert torch.allclose(build(tmp_path, "clip")(pixels), states[-2][:, 1:], atol=1e-5)


def test_a_vision_tower_alone_is_read_too(tmp_path: Path) -> None:
    tower = SiglipVisionModel(SiglipConfig(vision_config=VISION, text_config=TEXT).vision_config)
    tower.save_pretrained(tmp_path)
    pixels = torch.randn(1, 3, 32, 32)
    expected = block_outputs(tower, pixels)[-2]
    assert torch.allclose(build(tmp_path, "siglip")(pixels), expected, atol=1e-5)


def test_the_class_token_is_kept_in_front(tmp_path: Path) -> None:
    model, tower = dinov2()
    model.save_pretrained(tmp_path)
    pixels = torch.randn(1, 3, 32, 32)
    encoder = build(tmp_path, "dinov2", class_token=True)
    assert encoder.grid == (1, 17)
    assert torch.allclose(encoder(pixels), block_outputs(tower, pixels)[-2], atol=1e-5)


def test_another_image_size_interpolates_positions(tmp_path: Path) -> None:
    model, tower = siglip()
    model.save_pretrained(tmp_path)
    encoder = build(tmp_path, "siglip", image_size=48)
    assert encoder.grid == (6, 6)
    outputs: list[torch.Tensor] = []
    tower.encoder.layers[-2].register_forward_hook(lambda *call: outputs.append(call[2]))
    pixels = torch.randn(1, 3, 48, 48)
    tower.eval()(pixels, interpolate_pos_encoding=True)
    expected = outputs[0] if torch.is_tensor(outputs[0]) else outputs[0][0]
    assert torch.allclose(encoder(pixels), expected, atol=1e-5)


def test_mistakes_name_the_key(tmp_path: Path) -> None:
    model, _ = dinov2()
    model.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"config.hidden_size=64, but .* says 32; encoder.config=null"):
        build(tmp_path, "dinov2", config={"model_type": "dinov2", "hidden_size": 64})
    with pytest.raises(ValueError, match=r"encoder.layer must be between -4 and -1, got -5"):
        build(tmp_path, "dinov2", layer=-5)
    with pytest.raises(ValueError, match=r"put config.json, .* into a folder and say encoder.weights=FOLDER"):
        build(tmp_path / "nowhere", "dinov2")
    with pytest.raises(ValueError, match=r"encoder.weights must be pretrained, random, or a path"):
        build(tmp_path, "dinov2", weights=str(tmp_path / "nowhere"))
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"image_mean": [0.4, 0.5, 0.5]}))
    with pytest.raises(ValueError, match=r"encoder.mean is .*preprocessor_config.json says"):
        build(tmp_path, "dinov2")


def test_weights_that_lack_one_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    model, _ = dinov2()
    model.save_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    unused = [name for name in tensors if name.startswith("layernorm.") or "mask_token" in name]
    for name in unused:  # the features do not need them
        del tensors[name]
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    build(tmp_path, "dinov2")
    del tensors["embeddings.cls_token"]
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"lacks embeddings.cls_token"):
        build(tmp_path, "dinov2")
