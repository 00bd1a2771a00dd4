"""Our models as LLaVA's own folders: written by its key names, and read again."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.exchange.made import (
    assert_same_weights,
    files_of,
    largest_difference,
    make,
    many_prompts,
    said_by,
    weight,
)
from tests.exchange.upstream import load
from vlm.exchange.foreign import OURS_FILE
from vlm.exchange.tensors import tensor_names
from vlm.exchange.to_llava import check_llava, write_projector, write_whole
from vlm.tensor_file import read_tensors

CLIP = ("twin=true", "encoder=clip336")
TOWER = "model.vision_tower.vision_tower.vision_model."


def test_fifty_answers_and_all_weights_come_back(tmp_path: Path) -> None:
    model, _, transform = make("stage.image.mode=pad")
    folder = tmp_path / "any name"
    folder.mkdir()
    write_whole(model, transform, folder, has_published_tower=False)
    (folder / OURS_FILE).write_text('{"template": "bare", "context_length": 512}')
    again, config, foreign = load(folder)
    assert_same_weights(model, again)
    assert (config.stage.image.mode.value, config.llm.context_length) == ("pad", 512)
    assert "template@llm.template=bare" in foreign.words
    assert not [word for word in foreign.words if word.startswith("template@") and "bare" not in word]
    prompts = many_prompts(50)
    mine, theirs = said_by(model, transform, prompts, 4), said_by(again, transform, prompts, 4)
    assert [one.answer for one in mine] == [one.answer for one in theirs]
    assert largest_difference(mine, theirs) <= 1e-4


def test_names_are_those_that_its_code_looks_for(tmp_path: Path) -> None:
    model, _, transform = make(*CLIP, "llm=vicuna7b", "image@stage.image=anyres")
    write_whole(model, transform, tmp_path, has_published_tower=False)
    names = set(tensor_names(tmp_path / "model.safetensors"))
    assert {
        "lm_head.weight", "model.embed_tokens.weight", "model.norm.weight", "model.image_newline",
        "model.layers.0.self_attn.q_proj.weight", "model.mm_projector.0.weight", "model.mm_projector.2.bias",
        f"{TOWER}embeddings.class_embedding", f"{TOWER}encoder.layers.0.self_attn.q_proj.weight",
    } <= names  # fmt: skip
    assert all(name.startswith(("model.", "lm_head.")) for name in names)
    settings = json.loads((tmp_path / "config.json").read_text())
    expected = {
        "model_type": "llava_llama", "architectures": ["LlavaLlamaForCausalLM"], "mm_vision_select_layer": -1,
        "mm_projector_type": "mlp2x_gelu", "mm_vision_select_feature": "patch", "mm_hidden_size": 32,
        "mm_use_im_start_end": False, "mm_vision_tower": "vision_tower", "unfreeze_mm_vision_tower": True,
        "image_aspect_ratio": "anyres", "mm_patch_merge_type": "spatial_unpad", "rope_theta": 10000.0,
        "tokenizer_model_max_length": 2048, "torch_dtype": "float32",
    }  # fmt: skip
    assert {key: settings[key] for key in expected} == expected
    assert settings["image_grid_pinpoints"][0] == [56, 112]  # width and height
    tower = load_file(tmp_path / "vision_tower/model.safetensors")
    assert torch.equal(tower["vision_model.post_layernorm.weight"], torch.ones(32))
    assert {"vision_tower/config.json", "vision_tower/preprocessor_config.json"} <= files_of(tmp_path)


@pytest.mark.parametrize(
    ("llm", "template", "projector"),
    [("vicuna7b", "v1", "linear"), ("mistral7b", "mistral", "mlp4"), ("qwen25_05b", "qwen", "mlp2")],
)
def test_twins_come_back(llm: str, template: str, projector: str, tmp_path: Path) -> None:
    model, _, transform = make(*CLIP, f"llm={llm}", f"projector={projector}", lively=True)
    write_whole(model, transform, tmp_path, has_published_tower=False)
    (tmp_path / OURS_FILE).write_text(json.dumps({"template": template}))
    again, _, _ = load(tmp_path)
    assert_same_weights(model, again)
    prompts = many_prompts(3)
    mine, theirs = said_by(model, transform, prompts), said_by(again, transform, prompts)
    assert largest_difference(mine, theirs) <= 1e-4
    assert [one.answer for one in mine] == [one.answer for one in theirs]
    windows = [one.llm.config.to_dict().get("sliding_window") for one in (model, again)]
    assert windows[0] == windows[1]


def test_a_published_tower_is_named(tmp_path: Path) -> None:
    """Of the twin its architecture is small; its name alone would be LLaVA's."""
    small = "{image_size:32,layers:4,width:32,head_width:8,patch_size:8,mlp_ratio:2}"
    architecture = f"{{embed_dim:16,quick_gelu:true,text_cfg:{{}},vision_cfg:{small}}}"
    model, _, transform = make(
        "encoder=clip336", f"encoder.architecture={architecture}", "encoder.weights=random"
    )
    model.encoder.architecture = "ViT-L-14-336-quickgelu"
    write_whole(model, transform, tmp_path, has_published_tower=True)
    settings = json.loads((tmp_path / "config.json").read_text())
    assert settings["mm_vision_tower"] == "openai/clip-vit-large-patch14-336"
    assert (settings["mm_vision_select_layer"], settings["unfreeze_mm_vision_tower"]) == (-2, False)
    assert not (tmp_path / "vision_tower").exists()
    again, _, foreign = load(tmp_path, more=[f"encoder.architecture={architecture}"])
    assert foreign.words[0] == "encoder=clip336"
    assert_same_weights(model, again)


def test_a_projector_alone_stands_on_its_base(tmp_path: Path) -> None:
    model, _, transform = make()
    folder = tmp_path / "x"
    folder.mkdir()
    write_projector(model, transform, folder, "tiny_llama", has_published_tower=False)
    assert set(read_tensors(folder / "mm_projector.bin")) == {
        f"model.mm_projector.{number}.{kind}" for number in (0, 2) for kind in ("weight", "bias")
    }
    assert not list(folder.glob("*.safetensors"))
    assert json.loads((folder / "config.json").read_text())["_name_or_path"] == "tiny_llama"
    again, _, _ = load(folder)  # what the file names is packaged
    assert_same_weights(model, again)
    model, _, _ = make("projector.weights=" + str(folder / "mm_projector.bin"))  # and as a part of a sentence
    assert torch.equal(weight(model, "projector.layers.2.weight"), weight(again, "projector.layers.2.weight"))


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["projector=resampler64"], "connectors of linear layers.*PerceiverResampler"),
        ([*CLIP, "encoder=siglip384"], "one layer of a CLIP tower"),
        ([*CLIP, "encoder.layer=[-2,-1]"], "one layer of a CLIP tower"),
        ([*CLIP, "llm=phi35_mini"], "LLMs of llama, mistral, qwen2, and this is a phi3"),
        (["stage.image.mode=resize"], "stage.image.mode=resize"),
    ],
)
def test_what_llava_cannot_be_is_refused(words: list[str], match: str) -> None:
    model, _, transform = make(*words)
    with pytest.raises(ValueError, match=match) as error:
        check_llava(model, transform)
    assert "format=parts" in str(error.value)
