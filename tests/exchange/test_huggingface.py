"""transformers' folders, read by our words and filled from their files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoTokenizer,
    LlavaProcessor,
    MistralConfig,
    PreTrainedModel,
    Qwen2Config,
    SiglipImageProcessor,
    SiglipVisionConfig,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil

from tests.exchange.upstream import (
    GRIDS,
    IMAGE_WORD,
    SIDE,
    TO_HUB,
    assert_equal,
    change_json,
    ids_around,
    llava,
    llava_next,
    load,
    our_logits,
    picture,
    picture_of,
    processor,
    rename,
    their_logits,
    write_safetensors,
    write_tokenizer,
)
from vlm.build import build_image_transform
from vlm.data.tokens import IMAGE_ID
from vlm.exchange.foreign import recognise
from vlm.llm.decoding import Decoding

Save = Callable[[PreTrainedModel, Path], None]


def as_saved(model: PreTrainedModel, folder: Path) -> None:
    """As this version of transformers writes it, in several shards."""
    model.save_pretrained(folder, max_shard_size="100KB")
    assert len(list(folder.glob("*.safetensors"))) > 1


def as_published(model: PreTrainedModel, folder: Path) -> None:
    """By the names of `llava-hf`."""
    model.config.save_pretrained(folder)
    write_safetensors(folder / "model.safetensors", rename(model.state_dict(), TO_HUB))


def as_built(model: PreTrainedModel, folder: Path) -> None:
    """By the names of the modules of transformers 5."""
    model.config.save_pretrained(folder)
    tensors = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    write_safetensors(folder / "model.safetensors", tensors)


def write(folder: Path, model: PreTrainedModel, save: Save = as_published, images: Any = None) -> Path:
    save(model, folder)
    write_tokenizer(folder)
    (images or processor()).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("save", [as_saved, as_published, as_built])
def test_llavas_logits_are_equal(save: Save, tmp_path: Path) -> None:
    theirs = llava()
    ours, config, foreign = load(write(tmp_path / "x", theirs, save))
    pixels = CLIPImageProcessorPil(**processor().to_dict())(picture_of(), return_tensors="pt").pixel_values
    assert_equal(our_logits(ours, config, picture()), their_logits(theirs, 16, pixels))
    assert foreign.words[:3] == [
        "encoder=huggingface",
        f"encoder.checkpoint='{tmp_path / 'x'}'",
        "encoder.weights=random",
    ]
    assert "template@llm.template=v1" in foreign.words
    assert len(ours.llm.head) == 576
    assert len(ours.llm.tokenizer) == IMAGE_WORD + 1


def test_greedy_tokens_are_equal(tmp_path: Path) -> None:
    theirs = llava()
    ours, config, _ = load(write(tmp_path, theirs))
    prepared = build_image_transform(config, ours)(picture())
    ids, mask = ids_around(16), torch.ones(1, 23, dtype=torch.long)
    sequence = ours.embed(ids.masked_fill(ids == IMAGE_WORD, IMAGE_ID), prepared.tiles, prepared.index)
    said = ours.llm.generate(sequence.detach()[None], mask, Decoding(12), [0])[0]
    whole = theirs.generate(
        input_ids=ids[None], pixel_values=ours.encoder.normalise(prepared.tiles), attention_mask=mask,
        max_new_tokens=12, do_sample=False, eos_token_id=ours.llm.stop_ids,
        pad_token_id=ours.llm.tokenizer.pad_token_id,
    )  # fmt: skip
    assert said.tolist() == whole[0, len(ids) :].tolist()
    assert len(set(said.tolist())) > 3


@pytest.mark.parametrize("save", [as_saved, as_published])
@pytest.mark.parametrize(("width", "height"), [(50, 37), (30, 90)])
def test_tiles_logits_are_equal(save: Save, width: int, height: int, tmp_path: Path) -> None:
    theirs = llava_next()
    sizes = theirs.config.image_grid_pinpoints
    images = LlavaNextImageProcessorPil(**processor().to_dict(), image_grid_pinpoints=sizes)
    ours, config, foreign = load(write(tmp_path, theirs, save, images))
    seen = images(picture_of(width, height), return_tensors="pt")
    mine = our_logits(ours, config, picture(width, height))
    assert_equal(mine, their_logits(theirs, len(mine) - 7, seen.pixel_values, image_sizes=seen.image_sizes))
    assert config.stage.image.grids == GRIDS
    assert "stage.image.merge=unpad" in foreign.words


@pytest.mark.parametrize(
    ("mode", "images"),
    [
        ("crop", CLIPImageProcessorPil()),
        ("pad", LlavaImageProcessorPil(do_pad=True)),
        ("crop", LlavaImageProcessorPil(do_pad=False)),
        ("resize", CLIPImageProcessorPil(size={"height": SIDE, "width": SIDE}, do_center_crop=False)),
    ],
)
def test_pictures_are_prepared_as_the_processor_says(mode: str, images: Any, tmp_path: Path) -> None:
    if mode != "resize":
        images.size, images.crop_size = processor().size, processor().crop_size
    images.image_mean, images.image_std = [0.3, 0.4, 0.5], [0.2, 0.25, 0.3]
    ours, config, _ = load(write(tmp_path, llava(), images=images))
    assert config.stage.image.mode.value == mode
    tiles = build_image_transform(config, ours)(picture()).tiles
    expected = images(picture_of(), return_tensors="pt").pixel_values
    assert (ours.encoder.normalise(tiles) - expected).abs().max() < 1e-5


def test_a_processor_of_version_5_is_read(tmp_path: Path) -> None:
    """Its one file holds that of the pictures."""
    theirs = llava()
    as_published(theirs, tmp_path)
    write_tokenizer(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    LlavaProcessor(
        processor(), tokenizer, patch_size=8, vision_feature_select_strategy="default"
    ).save_pretrained(tmp_path)
    assert not (tmp_path / "preprocessor_config.json").exists()
    ours, config, _ = load(tmp_path)
    assert config.stage.image.mode.value == "crop"
    assert ours.encoder.image_size == SIDE


@pytest.mark.parametrize(
    "text",
    [
        MistralConfig(
            vocab_size=576, hidden_size=48, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, sliding_window=8,
        ),
        Qwen2Config(
            vocab_size=576, hidden_size=48, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, tie_word_embeddings=True,
        ),
    ],
    ids=lambda config: config.model_type,
)  # fmt: skip
@pytest.mark.parametrize("save", [as_saved, as_built])
def test_other_llms_are_read(text: Any, save: Save, tmp_path: Path) -> None:
    """Windows stay; one matrix for both ends stays one, in files that hold it once or twice."""
    theirs = llava(text_config=text)
    if save is as_built and text.tie_word_embeddings:
        state = theirs.state_dict()
        assert torch.equal(state["lm_head.weight"], state["model.language_model.embed_tokens.weight"])
    ours, config, foreign = load(write(tmp_path, theirs, save))
    pixels = ours.encoder.normalise(build_image_transform(config, ours)(picture()).tiles)
    assert_equal(our_logits(ours, config, picture()), their_logits(theirs, 16, pixels))
    template = {"mistral": "mistral", "qwen2": "own"}[text.model_type]
    assert f"template@llm.template={template}" in foreign.words


@pytest.mark.parametrize(
    ("settings", "num_visual"),
    [
        ({"vision_feature_layer": -1}, 16),
        ({"vision_feature_layer": 2}, 16),
        ({"vision_feature_layer": [-3, 3]}, 16),
        ({"vision_feature_select_strategy": "full"}, 17),
    ],
)
def test_features_are_those_that_the_config_chooses(
    settings: dict[str, Any], num_visual: int, tmp_path: Path
) -> None:
    theirs = llava(**settings)
    ours, config, _ = load(write(tmp_path, theirs))
    pixels = ours.encoder.normalise(build_image_transform(config, ours)(picture()).tiles)
    assert_equal(our_logits(ours, config, picture()), their_logits(theirs, num_visual, pixels))


def test_a_siglip_tower_is_read(tmp_path: Path) -> None:
    tower = SiglipVisionConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=4, image_size=SIDE,
        patch_size=8,
    )  # fmt: skip
    theirs = llava(vision_config=tower, vision_feature_select_strategy="full")
    images = SiglipImageProcessor(size={"height": SIDE, "width": SIDE}, resample=3)
    ours, config, _ = load(write(tmp_path, theirs, as_saved, images))
    assert config.stage.image.mode.value == "resize"
    pixels = ours.encoder.normalise(build_image_transform(config, ours)(picture()).tiles)
    assert_equal(our_logits(ours, config, picture()), their_logits(theirs, 16, pixels))


@pytest.mark.parametrize(
    ("where", "values", "match"),
    [
        ("config", {"projector_hidden_act": "relu"}, "projector_hidden_act=relu.*gelu can"),
        ("config", {"multimodal_projector_bias": False}, "multimodal_projector_bias=False"),
        ("config", {"vision_feature_layer": 0}, "layer 0 of the tower"),
        ("config", {"vision_feature_layer": -5}, "layer -5 of the tower"),
        ("config", {"model_type": "llava_onevision"}, "model_type=llava_onevision cannot be read"),
        ("preprocessor_config", {"resample": 2}, "resample=2"),
        ("preprocessor_config", {"do_normalize": False}, "do_normalize=False"),
        ("preprocessor_config", {"rescale_factor": 1}, "rescale_factor=1"),
        ("preprocessor_config", {"do_center_crop": False}, "do_center_crop=False"),
        ("preprocessor_config", {"size": {"shortest_edge": 40}}, "shortest_edge.*32, which the tower sees"),
    ],
)
def test_what_no_sentence_says_is_refused(
    where: str, values: dict[str, Any], match: str, tmp_path: Path
) -> None:
    write(tmp_path, llava())
    change_json(tmp_path / f"{where}.json", **values)
    with pytest.raises(ValueError, match=match) as error:
        recognise(tmp_path, None)
    assert "\n" not in str(error.value)


def test_tiles_of_two_minds_are_refused(tmp_path: Path) -> None:
    images = LlavaNextImageProcessorPil(**processor().to_dict(), image_grid_pinpoints=[[32, 64]])
    write(tmp_path, llava_next(), images=images)
    with pytest.raises(ValueError, match=r"image_grid_pinpoints.*config.json says others"):
        recognise(tmp_path, None)


def test_words_may_follow(tmp_path: Path) -> None:
    write(tmp_path, llava())
    _, config, _ = load(tmp_path, more=["template@llm.template=llava_v1", "stage.image.mode=pad"])
    assert "curious human" in config.llm.template.system
    assert config.stage.image.mode.value == "pad"
