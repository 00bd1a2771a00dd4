"""LLaVA's LoRA folders: an adapter, what else was trained, and a base."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.exchange.upstream import (
    LLAVA_SETTINGS,
    assert_equal,
    change_json,
    llava,
    load,
    our_logits,
    picture,
    released,
    their_logits,
    whole,
    write_base,
    write_json,
    write_llava,
    write_safetensors,
    write_tower,
)
from vlm.build import build_image_transform
from vlm.exchange.foreign import recognise

RANK, ALPHA = 4, 6
SETTINGS: dict[str, Any] = {
    "base_model_name_or_path": "not/here",
    "peft_type": "LORA",
    "task_type": "CAUSAL_LM",
    "r": RANK,
    "lora_alpha": ALPHA,
    "lora_dropout": 0.05,
    "bias": "none",
    "fan_in_fan_out": False,
    "init_lora_weights": True,
    "modules_to_save": None,
    "target_modules": ["q_proj", "down_proj"],
}
TARGETS = [
    "model.layers.0.self_attn.q_proj",
    "model.layers.1.self_attn.q_proj",
    "model.layers.1.mlp.down_proj",
]


@pytest.fixture(scope="module")
def theirs() -> Any:
    return llava()


@pytest.fixture(scope="module")
def tower(theirs: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tower(theirs, tmp_path_factory.mktemp("tower"))


@pytest.fixture(scope="module")
def base(theirs: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_base(theirs, tmp_path_factory.mktemp("base"))


def matrices(tensors: dict[str, Tensor], targets: list[str] = TARGETS) -> dict[str, Tensor]:
    """An adapter's, by peft's names."""
    generator = torch.Generator().manual_seed(5)
    made = {}
    for name in targets:
        rows, columns = tensors[f"{name}.weight"].shape
        made[f"base_model.model.{name}.lora_A.weight"] = torch.randn(RANK, columns, generator=generator) * 0.2
        made[f"base_model.model.{name}.lora_B.weight"] = torch.randn(rows, RANK, generator=generator) * 0.2
    return made


def write_lora(
    folder: Path, tensors: dict[str, Tensor], adapter: dict[str, Tensor], tower: Path, **settings: Any
) -> Path:
    folder.mkdir()
    write_json(folder / "config.json", {**LLAVA_SETTINGS, "mm_vision_tower": str(tower)})
    write_json(folder / "adapter_config.json", {**SETTINGS, **settings})
    torch.save(adapter, folder / "adapter_model.bin")
    others = {f"base_model.model.{name}": tensors[name] for name in tensors if "mm_projector" in name}
    torch.save(others, folder / "non_lora_trainables.bin")
    return folder


def assert_merged(ours: Any, tensors: dict[str, Tensor], adapter: dict[str, Tensor], scale: float) -> None:
    for name, weight in ours.llm.network.named_parameters():
        a, b = (adapter.get(f"base_model.model.{name[:-7]}.lora_{kind}.weight") for kind in "AB")
        added = 0.0 if a is None or b is None else b @ a * scale
        assert torch.allclose(weight, tensors[name] + added, atol=1e-6), name


def test_an_adapter_is_merged(theirs: Any, tower: Path, base: Path, tmp_path: Path) -> None:
    tensors = released(theirs)
    adapter = matrices(tensors)
    folder = write_lora(tmp_path / "x", tensors, adapter, tower)
    ours, config, _ = load(folder, base)
    assert config.llm.checkpoint == str(base)
    assert_merged(ours, tensors, adapter, ALPHA / RANK)
    before = their_logits(
        theirs, 16, ours.encoder.normalise(build_image_transform(config, ours)(picture()).tiles)
    )
    assert (our_logits(ours, config, picture()) - before).abs().max() > 0.01


def test_the_base_may_be_what_the_adapter_says(theirs: Any, tower: Path, base: Path, tmp_path: Path) -> None:
    tensors = released(theirs)
    adapter = matrices(tensors)
    folder = write_lora(tmp_path / "x", tensors, {}, tower, base_model_name_or_path=str(base))
    (folder / "adapter_model.bin").unlink()
    write_safetensors(folder / "adapter_model.safetensors", adapter)
    ours, _, _ = load(folder)
    assert_merged(ours, tensors, adapter, ALPHA / RANK)


def test_the_merged_model_says_what_theirs_would(
    theirs: Any, tower: Path, base: Path, tmp_path: Path
) -> None:
    """With a matrix changed in theirs by hand."""
    tensors = released(theirs)
    adapter = matrices(tensors, TARGETS[:1])
    ours, config, _ = load(write_lora(tmp_path / "x", tensors, adapter, tower), base)
    a, b = (adapter[f"base_model.model.{TARGETS[0]}.lora_{kind}.weight"] for kind in "AB")
    weight = theirs.model.language_model.layers[0].self_attn.q_proj.weight
    kept = weight.detach().clone()
    with torch.no_grad():
        weight.add_(b @ a * ALPHA / RANK)
        tiles = build_image_transform(config, ours)(picture()).tiles
        logits = their_logits(theirs, 16, ours.encoder.normalise(tiles))
        weight.copy_(kept)
    assert_equal(our_logits(ours, config, picture()), logits)


@pytest.mark.parametrize(
    ("settings", "scale"),
    [
        ({"use_rslora": True}, ALPHA / 2),
        ({"alpha_pattern": {"q_proj": 8, "mlp.down_proj": 2}}, {"q_proj": 2.0, "down_proj": 0.5}),
    ],
)
def test_scales_are_pefts(
    settings: dict[str, Any], scale: Any, theirs: Any, tower: Path, base: Path, tmp_path: Path
) -> None:
    tensors = released(theirs)
    adapter = matrices(tensors)
    ours, _, _ = load(write_lora(tmp_path / "x", tensors, adapter, tower, **settings), base)
    for name in TARGETS:
        a, b = (adapter[f"base_model.model.{name}.lora_{kind}.weight"] for kind in "AB")
        factor = scale[name.split(".")[-1]] if isinstance(scale, dict) else scale
        merged = ours.llm.network.get_parameter(f"{name}.weight")
        assert torch.allclose(merged, tensors[f"{name}.weight"] + factor * b @ a, atol=1e-6)


def test_an_adapter_over_a_whole_llava_is_merged(theirs: Any, tower: Path, tmp_path: Path) -> None:
    """And one that has leaked into the tower, and one that brings no configuration of a model."""
    tensors = whole(theirs)
    base = write_llava(tmp_path / "base", tensors, mm_vision_tower=str(tower))
    leak = "model.vision_tower.vision_tower.vision_model.encoder.layers.0.self_attn.q_proj"
    unread = leak.replace("layers.0", "layers.3")
    adapter = matrices(tensors, [*TARGETS, leak, unread])
    folder = write_lora(tmp_path / "x", tensors, adapter, tower)
    (folder / "config.json").unlink()
    (folder / "non_lora_trainables.bin").unlink()
    ours, _, _ = load(folder, base)
    a, b = (adapter[f"base_model.model.{leak}.lora_{kind}.weight"] for kind in "AB")
    merged = ours.encoder.network.get_parameter("encoder.layers.0.self_attn.q_proj.weight")
    assert torch.allclose(merged, tensors[f"{leak}.weight"] + b @ a * ALPHA / RANK, atol=1e-6)
    assert_merged(ours, tensors, adapter, ALPHA / RANK)


def test_an_adapter_of_something_else_is_not_recognised(base: Path, tmp_path: Path) -> None:
    write_json(tmp_path / "adapter_config.json", SETTINGS)
    assert recognise(tmp_path, base) is None


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"use_dora": True}, "use_dora=True"),
        ({"peft_type": "IA3"}, "peft_type=IA3.*LORA can"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights=pissa"),
    ],
)
def test_other_adapters_are_refused(
    settings: dict[str, Any], match: str, theirs: Any, tower: Path, base: Path, tmp_path: Path
) -> None:
    tensors = released(theirs)
    folder = write_lora(tmp_path / "x", tensors, matrices(tensors), tower, **settings)
    with pytest.raises(ValueError, match=match):
        recognise(folder, base)


def test_adapters_that_do_not_fit_are_named(theirs: Any, tower: Path, base: Path, tmp_path: Path) -> None:
    tensors = released(theirs)
    adapter = matrices(tensors)
    folder = write_lora(tmp_path / "x", tensors, adapter, tower)
    name = f"base_model.model.{TARGETS[0]}.lora_B.weight"

    def refusal(changed: dict[str, Tensor], match: str) -> None:
        torch.save(changed, folder / "adapter_model.bin")
        with pytest.raises(ValueError, match=match) as error:
            load(folder, base)
        assert "\n" not in str(error.value)

    refusal(
        {key: tensor for key, tensor in adapter.items() if key != name}, f"lacks {TARGETS[0]}.lora_B.weight"
    )
    refusal(adapter | {name: torch.zeros(47, RANK)}, r"q_proj.* is \[47, 48\].*makes it \[48, 48\]")
    strange = {key.replace("layers.1", "layers.7"): tensor for key, tensor in adapter.items()}
    refusal(strange, "layers.7.* has no place")
    refusal(
        adapter | {"base_model.model.model.embed_tokens.lora_embedding_A": torch.zeros(4, 576)},
        "no matrix A or B",
    )
    refusal(adapter | {"base_model.model.model.norm.bias": torch.zeros(48)}, "norm.bias has no place")
    (folder / "adapter_model.bin").unlink()
    with pytest.raises(ValueError, match=r"none of adapter_model.safetensors"):
        load(folder, base)


def test_others_that_were_trained_are_needed(theirs: Any, tower: Path, base: Path, tmp_path: Path) -> None:
    tensors = released(theirs)
    folder = write_lora(tmp_path / "x", tensors, matrices(tensors), tower)
    (folder / "non_lora_trainables.bin").unlink()
    with pytest.raises(ValueError, match=r"lacks model.mm_projector.0.bias"):
        load(folder, base)
    change_json(folder / "adapter_config.json", base_model_name_or_path=None)
    with pytest.raises(ValueError, match="does not say of which; say base=FOLDER"):
        recognise(folder, None)
