"""LLaVA's own folders, read by our words and filled from their files."""

import pickle
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from tests.conftest import SHARED
from tests.exchange.upstream import (
    GRIDS,
    LLAVA_SETTINGS,
    NUM_ROWS,
    SIDE,
    assert_equal,
    change_json,
    llava,
    llava_next,
    load,
    our_logits,
    picture,
    released,
    their_logits,
    whole,
    write_base,
    write_json,
    write_llava,
    write_tower,
)
from vlm.build import build_image_transform, build_model, build_template
from vlm.compose import compose_sentence
from vlm.data.sample import Turn
from vlm.data.tokens import IMAGE_ID, Span, tokenize
from vlm.exchange.foreign import recognise
from vlm.run.fingerprint import files_hash


@pytest.fixture(scope="module")
def theirs() -> Any:
    return llava()


@pytest.fixture(scope="module")
def tower(theirs: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tower(theirs, tmp_path_factory.mktemp("tower"))


def expected(theirs: Any, ours: Any, config: Any) -> Tensor:
    tiles = build_image_transform(config, ours)(picture()).tiles
    return their_logits(theirs, 16, ours.encoder.normalise(tiles))


def test_a_whole_model_with_its_tower_is_read(theirs: Any, tower: Path, tmp_path: Path) -> None:
    folder = write_llava(tmp_path / "x", whole(theirs), mm_vision_tower=str(tower))
    ours, config, foreign = load(folder)
    assert_equal(our_logits(ours, config, picture()), expected(theirs, ours, config))
    assert config.stage.image.mode.value == "pad"
    assert config.encoder.weights == "random"
    assert {"projector=mlp2", "projector.depth=2", "template@llm.template=v1"} <= set(foreign.words)


def test_a_released_model_takes_the_published_tower(theirs: Any, tower: Path, tmp_path: Path) -> None:
    folder = write_llava(tmp_path / "x", released(theirs), mm_vision_tower=str(tower))
    ours, config, _ = load(folder)
    assert config.encoder.weights == "pretrained"
    assert_equal(our_logits(ours, config, picture()), expected(theirs, ours, config))


def test_openais_towers_have_words(theirs: Any, tmp_path: Path) -> None:
    for name, word in (("-336", "clip336"), ("", "clip224")):
        tensors = released(theirs)
        folder = write_llava(tmp_path / word, tensors, mm_vision_tower=f"openai/clip-vit-large-patch14{name}")
        foreign = recognise(folder, None)
        assert foreign is not None
        config = compose_sentence(foreign.words).config
        assert config.encoder.architecture.startswith("ViT-L-14")
        assert (config.encoder.weights, config.encoder.layer) == ("pretrained", -2)


def test_the_tower_of_a_word_is_filled_from_the_file(theirs: Any, tmp_path: Path) -> None:
    """open_clip's modules, whose queries, keys and values are one."""
    openai = "openai/clip-vit-large-patch14-336"
    folder = write_llava(tmp_path / "x", whole(theirs), mm_vision_tower=openai)
    small = "{image_size:32,layers:4,width:32,head_width:8,patch_size:8,mlp_ratio:2}"
    architecture = f"{{embed_dim:16,quick_gelu:true,text_cfg:{{}},vision_cfg:{small}}}"
    ours, config, foreign = load(folder, more=[f"encoder.architecture={architecture}"])
    assert foreign.words[:2] == ["encoder=clip336", "encoder.weights=random"]
    assert_equal(our_logits(ours, config, picture()), expected(theirs, ours, config))


@pytest.mark.parametrize("width", [1, 3])
def test_connectors_of_any_depth_are_read(width: int, theirs: Any, tower: Path, tmp_path: Path) -> None:
    """One layer has no number there."""
    torch.manual_seed(3)
    layers = [
        nn.Linear(32, 48),
        *(layer for _ in range(width - 1) for layer in (nn.GELU(), nn.Linear(48, 48))),
    ]
    connector = nn.Sequential(*layers)
    state = connector.state_dict() if width > 1 else layers[0].state_dict()
    others = {name: tensor for name, tensor in released(theirs).items() if "mm_projector" not in name}
    tensors = others | {f"model.mm_projector.{name}": tensor for name, tensor in state.items()}
    kind = "linear" if width == 1 else f"mlp{width}x_gelu"
    folder = write_llava(tmp_path / "x", tensors, mm_vision_tower=str(tower), mm_projector_type=kind)
    ours, _, _ = load(folder)
    features = torch.randn(1, 16, 32)
    assert torch.equal(ours.projector(features), connector(features))


def test_tiles_are_read(tower: Path, tmp_path: Path) -> None:
    """LLaVA states width and height, in a text too."""
    theirs = llava_next()
    sizes = str([(SIDE * columns, SIDE * rows) for rows, columns in GRIDS])
    folder = write_llava(
        tmp_path / "x", whole(theirs), mm_vision_tower=str(tower), image_aspect_ratio="anyres",
        image_grid_pinpoints=sizes, mm_patch_merge_type="spatial_unpad",
    )  # fmt: skip
    ours, config, _ = load(folder)
    assert config.stage.image.grids == GRIDS
    prepared = build_image_transform(config, ours)(picture())
    pixels = ours.encoder.normalise(prepared.tiles)[None]
    sizes_seen = torch.tensor([[37, 50]])
    logits = their_logits(theirs, len(prepared.index), pixels, image_sizes=sizes_seen)
    assert_equal(our_logits(ours, config, picture()), logits)


def test_what_nothing_reads_stays_away(theirs: Any, tower: Path, tmp_path: Path) -> None:
    tensors = whole(theirs) | {"model.image_newline": torch.zeros(48)}
    tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.zeros(6)
    tensors["model.vision_tower.vision_tower.vision_model.embeddings.position_ids"] = torch.arange(17)[None]
    ours, config, _ = load(write_llava(tmp_path / "x", tensors, mm_vision_tower=str(tower)))
    assert ours.projector.row_end is None
    assert_equal(our_logits(ours, config, picture()), expected(theirs, ours, config))


def test_several_scales_are_read(theirs: Any, tmp_path: Path) -> None:
    openai = "openai/clip-vit-large-patch14-336"
    tensors = whole(theirs) | {"model.mm_projector.0.weight": torch.zeros(48, 64)}
    folder = write_llava(tmp_path / "x", tensors, mm_vision_tower=openai, s2=True, s2_scales="672,336")
    small = "{image_size:32,layers:4,width:32,head_width:8,patch_size:8,mlp_ratio:2}"
    architecture = f"{{embed_dim:16,quick_gelu:true,text_cfg:{{}},vision_cfg:{small}}}"
    ours, config, _ = load(folder, more=[f"encoder.encoder.architecture={architecture}"])
    assert (config.encoder.scales, ours.encoder.image_size) == ([1, 2], 64)
    block = theirs.model.vision_tower.encoder.layers[0].self_attn.q_proj.weight
    weight = ours.encoder.network.network.transformer.resblocks[0].attn.in_proj_weight
    assert torch.equal(weight[:32], block)


@pytest.mark.parametrize("named", [True, False])
def test_a_connector_is_joined_to_its_base(named: bool, theirs: Any, tower: Path, tmp_path: Path) -> None:
    base, folder = write_base(theirs, tmp_path / "base"), tmp_path / "x"
    folder.mkdir()
    known = {"_name_or_path": str(base) if named else "not/here"}
    write_json(folder / "config.json", {**LLAVA_SETTINGS, **known, "mm_vision_tower": str(tower)})
    connector = {name: tensor for name, tensor in released(theirs).items() if "mm_projector" in name}
    torch.save(connector, folder / "mm_projector.bin")
    ours, config, _ = load(folder, None if named else base)
    assert config.llm.checkpoint == str(base)
    assert_equal(our_logits(ours, config, picture()), expected(theirs, ours, config))


def test_a_connector_without_base_is_refused(theirs: Any, tower: Path, tmp_path: Path) -> None:
    write_json(tmp_path / "config.json", {**LLAVA_SETTINGS, "mm_vision_tower": str(tower)})
    torch.save({"model.mm_projector.0.weight": torch.zeros(48, 32)}, tmp_path / "mm_projector.bin")
    with pytest.raises(ValueError, match=r"base=somewhere/else is no folder with weights.*say base=FOLDER"):
        recognise(tmp_path, None)
    change_json(tmp_path / "config.json", _name_or_path="")
    with pytest.raises(ValueError, match="does not say of which; say base=FOLDER"):
        recognise(tmp_path, None)


def test_a_base_of_a_whole_model_is_refused(theirs: Any, tower: Path, tmp_path: Path) -> None:
    folder = write_llava(tmp_path / "x", whole(theirs), mm_vision_tower=str(tower))
    with pytest.raises(ValueError, match=r"has no effect.*leave it out"):
        recognise(folder, tmp_path)


def test_a_folder_of_something_else_is_not_recognised(tmp_path: Path) -> None:
    assert recognise(tmp_path, None) is None
    assert recognise(tmp_path / "absent", None) is None
    write_json(tmp_path / "config.json", {"model_type": "llama"})
    assert recognise(tmp_path, None) is None


def test_content_is_that_of_the_files_wherever_they_are(theirs: Any, tower: Path, tmp_path: Path) -> None:
    tensors = released(theirs)

    def content(name: str, changed: dict[str, Tensor]) -> str:
        folder = write_llava(tmp_path / name, tensors | changed, mm_vision_tower=str(tower))
        foreign = recognise(folder, None)
        assert foreign is not None
        return foreign.content()

    assert content("a", {}) == content("b", {})
    assert content("a", {}) != content("c", {"lm_head.weight": torch.zeros(NUM_ROWS, 48)})
    foreign = recognise(tmp_path / "b", None)
    assert foreign is not None
    change_json(tmp_path / "b/tokenizer_config.json", pad_token="</s>")
    files_hash.cache_clear()
    assert foreign.content() != content("a", {})


def test_old_folders_say_their_llm_by_its_class(theirs: Any, tower: Path, tmp_path: Path) -> None:
    folder = write_llava(tmp_path / "x", released(theirs), mm_vision_tower=str(tower), model_type="llava")
    _, config, _ = load(folder)
    assert config.llm.config.model_type == "llama"


def test_rows_beyond_the_tokenizer_are_read(theirs: Any, tower: Path, tmp_path: Path) -> None:
    ours, _, _ = load(write_llava(tmp_path / "x", whole(theirs), mm_vision_tower=str(tower)))
    assert len(ours.llm.tokenizer) == NUM_ROWS - 6
    assert torch.equal(ours.llm.head, theirs.lm_head.weight)


@pytest.mark.skipif(not SHARED.exists(), reason="needs shared/data")
def test_a_tokenizer_of_sentencepiece_is_read(theirs: Any, tower: Path, tmp_path: Path) -> None:
    """As Vicuna's is published, beside a configuration that transformers does not know."""
    folder = write_llava(tmp_path / "x", whole(theirs), mm_vision_tower=str(tower))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    (folder / "tokenizer.model").write_bytes((SHARED / "tokenizers/llama2.model").read_bytes())
    special = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<unk>"}
    write_json(
        folder / "tokenizer_config.json",
        {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, **special},
    )
    write_json(folder / "special_tokens_map.json", special)
    foreign = recognise(folder, None)
    assert foreign is not None
    config = compose_sentence(foreign.words).config
    model = build_model(config)
    prompt = build_template(config, model).prompt([Turn("human", "<image>\nWhat?")])
    ids = tokenize([Span(prompt)], model.llm.tokenizer).ids
    assert len(model.llm.tokenizer) == 32000
    assert ids[:7] == [1, 319, 13563, 1546, 263, 12758, 1404]  # as LLaVA's `vicuna_v1`
    assert ids[31:38] == [3148, 1001, 29901, 29871, IMAGE_ID, 29871, 13]  # 35 tokens before the picture
    assert model.llm.stop_ids == [2]


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"mm_use_im_start_end": True}, "mm_use_im_start_end=True.*marks around pictures"),
        (
            {"mm_projector_type": "mlp_downsample"},
            "mm_projector_type=mlp_downsample.*linear and identity can",
        ),
        ({"mm_resampler_type": "spatial_pool"}, "mm_resampler_type=spatial_pool"),
        ({"model_type": "llava_mpt"}, "model_type=llava_mpt.*llava_llama"),
        ({"image_aspect_ratio": "anyres_max_9"}, "image_aspect_ratio=anyres_max_9"),
        ({"image_aspect_ratio": "anyres", "mm_patch_merge_type": "maxpool2x2"}, "maxpool2x2"),
        ({"image_aspect_ratio": "anyres", "image_grid_pinpoints": "(1x1),...,(6x6)"}, "image_grid_pinpoints"),
        ({"image_aspect_ratio": "anyres", "image_grid_pinpoints": [[50, 32]]}, "32 x 50.*tiles of 32 pixels"),
        ({"mm_vision_select_feature": "slice_m25"}, "mm_vision_select_feature=slice_m25"),
        ({"mm_vision_select_layer": 0}, "layer 0 of the tower"),
        ({"s2": True}, "mm_vision_tower=huggingface.*together with s2"),
        ({"hidden_size": 47}, "is no llama that transformers knows"),
    ],
)
def test_what_no_sentence_says_is_refused(
    values: dict[str, Any], match: str, theirs: Any, tower: Path, tmp_path: Path
) -> None:
    folder = write_llava(tmp_path / "x", released(theirs), mm_vision_tower=str(tower), **values)
    with pytest.raises(ValueError, match=match) as error:
        recognise(folder, None)
    assert "\n" not in str(error.value)


def refusal(folder: Path, match: str) -> None:
    """What cannot be loaded says so in one line."""
    with pytest.raises(ValueError, match=match) as error:
        load(folder)
    assert "\n" not in str(error.value)


def test_tensors_that_do_not_fit_are_named(theirs: Any, tower: Path, tmp_path: Path) -> None:
    tensors, settings = whole(theirs), {"mm_vision_tower": str(tower)}
    name = "model.layers.1.self_attn.q_proj.weight"
    less = {key: tensor for key, tensor in tensors.items() if key != name}
    refusal(write_llava(tmp_path / "a", less, **settings), f"lacks {name}; copy it again")
    more = tensors | {"model.layers.2.self_attn.q_proj.weight": tensors[name]}
    refusal(
        write_llava(tmp_path / "b", more, **settings),
        "bin: model.layers.2.self_attn.q_proj.weight has no place",
    )
    other = tensors | {name: torch.zeros(48, 47)}
    refusal(write_llava(tmp_path / "c", other, **settings), rf"{name} is \[48, 47\].*makes it \[48, 48\]")
    layer = "model.vision_tower.vision_tower.vision_model.encoder.layers.4.mlp.fc1.bias"
    more = tensors | {layer: torch.zeros(64)}
    refusal(write_llava(tmp_path / "d", more, **settings), f"{layer} has no place")


def test_a_tower_in_part_is_refused(theirs: Any, tower: Path, tmp_path: Path) -> None:
    name = "model.vision_tower.vision_tower.vision_model.embeddings.class_embedding"
    tensors = released(theirs) | {name: whole(theirs)[name]}
    refusal(write_llava(tmp_path / "x", tensors, mm_vision_tower=str(tower)), "lacks model.vision_tower")


def test_missing_and_damaged_files_are_named(theirs: Any, tower: Path, tmp_path: Path) -> None:
    folder = write_llava(tmp_path / "x", whole(theirs), mm_vision_tower=str(tower))
    shard = folder / "pytorch_model-00002-of-00002.bin"
    content = shard.read_bytes()
    shard.write_bytes(content[: len(content) // 2])
    refusal(folder, "00002.*is damaged")
    shard.unlink()
    refusal(folder, "00002")
    (folder / "pytorch_model.bin.index.json").write_text("{")
    refusal(folder, "damaged index")
    for path in folder.glob("pytorch_model*"):
        path.unlink()
    refusal(folder, "none of model.safetensors.index.json")


def test_files_of_an_old_format_are_read(theirs: Any, tower: Path, tmp_path: Path) -> None:
    """They cannot be mapped into memory."""
    folder = write_llava(tmp_path / "x", whole(theirs), mm_vision_tower=str(tower))
    for path in folder.glob("*.bin"):
        torch.save(torch.load(path), path, _use_new_zipfile_serialization=False)
    ours, config, _ = load(folder)
    assert_equal(our_logits(ours, config, picture()), expected(theirs, ours, config))


class Malicious:
    """Would run a command when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return subprocess.check_call, (["touch", str(self.path)],)


@pytest.mark.parametrize("zipped", [True, False])
def test_files_that_pickle_more_than_tensors_are_refused(
    zipped: bool, theirs: Any, tower: Path, tmp_path: Path
) -> None:
    folder = write_llava(tmp_path / "x", whole(theirs), mm_vision_tower=str(tower))
    path, mark = folder / "pytorch_model-00001-of-00002.bin", tmp_path / "mark"
    torch.save({"model.norm.weight": Malicious(mark)}, path, _use_new_zipfile_serialization=zipped)
    refusal(folder, "holds more than tensors")
    path.write_bytes(pickle.dumps({"model.norm.weight": Malicious(mark)}))
    refusal(folder, "00001")
    torch.save({"step": 3, "model.norm.weight": torch.ones(48)}, path)
    refusal(folder, "holds more than tensors")
    assert not mark.exists()


def test_safetensors_are_read(theirs: Any, tower: Path, tmp_path: Path) -> None:
    folder = write_llava(tmp_path / "x", {}, mm_vision_tower=str(tower))
    for path in folder.glob("pytorch_model*"):
        path.unlink()
    save_file({name: tensor.half() for name, tensor in whole(theirs).items()}, folder / "model.safetensors")
    ours, _, _ = load(folder)
    assert ours.llm.head.dtype == torch.float32
    assert torch.equal(ours.llm.head, theirs.lm_head.weight.half().float())
    start = (folder / "model.safetensors").read_bytes()[:1000]
    (folder / "model.safetensors").write_bytes(start)
    refusal(folder, "model.safetensors is damaged")
