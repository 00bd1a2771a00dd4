"""A checkpoint is read whole or refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from safetensors.torch import load_file, save_file

from tests.conftest import Compose
from vlm.data.template import PlainTemplate
from vlm.llm.causal import CausalLM
from vlm.paths import assets_dir


def lose_a_tensor(folder: Path) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    del tensors["model.layers.0.mlp.down_proj.weight"]
    save_file(tensors, path, metadata={"format": "pt"})


def change_the_config(folder: Path) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"intermediate_size": 64}))


def cut_the_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:100_000])


def break_the_config(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def build(folder: Path, weights: str = "pretrained") -> CausalLM:
    llm = CausalLM(str(folder), weights, None, PlainTemplate("\n"), None, 2048, "CC0-1.0")
    llm.configure_model()
    return llm


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lose_a_tensor, "lacks model.layers.0.mlp.down_proj.weight"),
        (change_the_config, "does not fit its config.json"),
        (cut_the_weights, "is damaged"),
        (break_the_config, "not a valid JSON"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(
    damage: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    folder = tmp_path / "checkpoint"
    shutil.copytree(assets_dir() / "tiny_llama", folder)
    damage(folder)
    with pytest.raises(ValueError, match=f"llm.checkpoint={folder}.*{message}"):
        build(folder)


def test_random_weights_are_not_the_packaged_ones() -> None:
    folder = assets_dir() / "tiny_llama"
    assert not torch.equal(build(folder).head, build(folder, "random").head)


def test_mistakes_name_the_key() -> None:
    with pytest.raises(ValueError, match=r"llm.weights must be .* got best"):
        build(assets_dir() / "tiny_llama", "best")
    with pytest.raises(ValueError, match=r"llm.checkpoint=nobody/nowhere is no readable folder"):
        build(Path("nobody/nowhere"))


@pytest.mark.parametrize(
    ("choice", "parameters"),
    [
        ("vicuna7b", 6_738_415_616),
        ("vicuna13b", 13_015_864_320),
        ("llama2_7b", 6_738_415_616),
        ("llama2_13b", 13_015_864_320),
        ("llama2_70b", 68_976_648_192),
        ("llama3_8b", 8_030_261_248),
        ("mistral7b", 7_241_732_096),
        ("qwen25_05b", 494_032_768),
        ("qwen25_15b", 1_543_714_304),
        ("qwen25_7b", 7_615_616_512),
        ("phi35_mini", 3_821_079_552),
        ("smollm2_360m", 361_821_120),
        ("gemma2_2b", 2_614_341_888),
    ],
)
def test_sizes_are_the_published_ones(choice: str, parameters: int, compose: Compose) -> None:
    node = OmegaConf.to_container(compose(f"llm={choice}").llm, resolve=True)
    assert isinstance(node, dict)
    llm: CausalLM = instantiate(node | {"weights": "random"}, _convert_="all")
    with torch.device("meta"):
        llm.configure_model()
    assert sum(weight.numel() for weight in llm.parameters()) == parameters


def test_the_config_is_held_to_the_files() -> None:
    folder = assets_dir() / "tiny_llama"
    stated = {"model_type": "llama", "hidden_size": 64}
    llm = CausalLM(str(folder), "pretrained", stated, PlainTemplate("\n"), None, 2048, "CC0-1.0")
    with pytest.raises(ValueError, match=r"llm.config.hidden_size=64, but .* says 128; llm.config=null"):
        llm.locate()


def test_the_padding_token_is_one_of_the_vocabulary() -> None:
    folder = assets_dir() / "tiny_llama"
    llm = CausalLM(str(folder), "pretrained", None, PlainTemplate("\n"), "<|pad|>", 2048, "CC0-1.0")
    with pytest.raises(ValueError, match=r"llm.pad_token=<\|pad\|> is no token of"):
        llm.locate()


def test_weights_may_lie_in_a_folder_of_their_own(tmp_path: Path) -> None:
    shutil.copytree(assets_dir() / "tiny_llama", tmp_path / "mine")
    llm = CausalLM("nobody/nowhere", str(tmp_path / "mine"), None, PlainTemplate("\n"), None, 2048, "CC0-1.0")
    llm.locate()
    llm.configure_model()
    assert torch.equal(llm.head, build(assets_dir() / "tiny_llama").head)
