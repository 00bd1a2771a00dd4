"""Tables of names that are read both ways."""

import pytest
import torch
from transformers import CLIPVisionConfig, CLIPVisionModel

from vlm.encoder.open_clip import OpenCLIPEncoder
from vlm.exchange.names import (
    LLAVA,
    LLAVA_LINEAR,
    TRANSFORMERS,
    TRANSFORMERS_5,
    Layout,
    layout_of,
    pieces,
    unwrapped,
)

TOWER = "encoder.encoder.layers.3.self_attn.q_proj.weight"


@pytest.mark.parametrize(
    ("layout", "piece", "theirs"),
    [
        (LLAVA, "llm.model.layers.0.mlp.up_proj.weight", "model.layers.0.mlp.up_proj.weight"),
        (LLAVA, "llm.lm_head.weight", "lm_head.weight"),
        (LLAVA, "projector.layers.2.bias", "model.mm_projector.2.bias"),
        (LLAVA, "projector.row_end", "model.image_newline"),
        (LLAVA, TOWER, f"model.vision_tower.vision_tower.vision_model.{TOWER.removeprefix('encoder.')}"),
        (LLAVA_LINEAR, "projector.layers.0.weight", "model.mm_projector.weight"),
        (TRANSFORMERS, "llm.model.norm.weight", "language_model.model.norm.weight"),
        (TRANSFORMERS, "llm.lm_head.weight", "language_model.lm_head.weight"),
        (TRANSFORMERS, "projector.layers.0.bias", "multi_modal_projector.linear_1.bias"),
        (TRANSFORMERS, "projector.row_end", "image_newline"),
        (TRANSFORMERS, TOWER, f"vision_tower.vision_model.{TOWER.removeprefix('encoder.')}"),
        (TRANSFORMERS_5, "llm.model.norm.weight", "model.language_model.norm.weight"),
        (TRANSFORMERS_5, "llm.lm_head.weight", "lm_head.weight"),
        (TRANSFORMERS_5, "projector.layers.2.weight", "model.multi_modal_projector.linear_2.weight"),
    ],
)
def test_layouts_are_read_both_ways(layout: Layout, piece: str, theirs: str) -> None:
    assert layout.theirs(piece) == theirs
    assert layout.piece(theirs) == piece
    assert layout.piece(layout.theirs(piece)) == piece


def test_a_tower_may_have_no_wrapper() -> None:
    assert TRANSFORMERS_5.piece("model.vision_tower.encoder.layers.3.self_attn.q_proj.weight") == TOWER
    assert TRANSFORMERS.piece("vision_tower.encoder.layers.3.self_attn.q_proj.weight") == TOWER


@pytest.mark.parametrize(
    ("names", "layout"),
    [
        (["lm_head.weight", "model.layers.0.a", "model.mm_projector.0.weight"], LLAVA),
        (["lm_head.weight", "model.layers.0.a"], LLAVA),
        (["model.mm_projector.weight"], LLAVA_LINEAR),
        (["language_model.lm_head.weight", "image_newline"], TRANSFORMERS),
        (["lm_head.weight", "model.language_model.norm.weight"], TRANSFORMERS_5),
    ],
)
def test_names_say_their_layout(names: list[str], layout: Layout) -> None:
    assert layout_of(names) is layout


def test_wrapping_modules_are_no_part_of_a_piece() -> None:
    assert pieces("llm.network.model.norm.weight") == ["llm.model.norm.weight"]
    assert pieces("projector.layers.0.weight") == ["projector.layers.0.weight"]
    expected = ["encoder.embeddings.class_embedding"]
    for name in ("embeddings.class_embedding", "vision_model.embeddings.class_embedding", "class_embedding"):
        assert pieces(f"encoder.network.{name}") == expected
        assert pieces(f"encoder.network.network.{name}") == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("base_model.model.model.layers.0.a.lora_A.weight", "model.layers.0.a.lora_A.weight"),
        ("base_model.model.lm_head.weight", "lm_head.weight"),
        ("base_model.model.model.mm_projector.0.weight", "model.mm_projector.0.weight"),
        ("base_model.model.language_model.model.norm.weight", "language_model.model.norm.weight"),
        ("model.model.mm_projector.0.weight", "model.mm_projector.0.weight"),
        ("mm_projector.weight", "model.mm_projector.weight"),
        ("model.layers.0.a", "model.layers.0.a"),
    ],
)
def test_what_peft_puts_around_names_is_taken_off(name: str, expected: str) -> None:
    assert unwrapped(name) == expected


def test_open_clips_tower_is_filled_from_transformers() -> None:
    """The same weights under the other names give the same features."""
    vision = {"image_size": 32, "layers": 4, "width": 32, "head_width": 8, "patch_size": 8}
    architecture = {"embed_dim": 16, "vision_cfg": vision, "text_cfg": {}, "quick_gelu": True}
    ours = OpenCLIPEncoder(architecture, "none", "random", -2, True, (0.5,) * 3, (0.5,) * 3, "none")
    ours.configure_model()
    torch.manual_seed(0)
    theirs = CLIPVisionModel(
        CLIPVisionConfig(
            hidden_size=32, intermediate_size=128, num_hidden_layers=4, num_attention_heads=4, image_size=32,
            patch_size=8,
        )
    ).eval()  # fmt: skip
    with torch.no_grad():
        for weight in theirs.parameters():
            weight.copy_(torch.randn_like(weight) * 0.2)
    state = {pieces(f"encoder.{name}")[0]: tensor for name, tensor in theirs.state_dict().items()}
    filled = {
        name: torch.cat([state[piece] for piece in pieces(f"encoder.network.{name}")])
        for name in ours.network.state_dict()
    }
    ours.network.load_state_dict(filled)
    pixels = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        expected = theirs(pixels, output_hidden_states=True).hidden_states[-2]
        assert (ours.eval()(pixels) - expected).abs().max() < 1e-4
