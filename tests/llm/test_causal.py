"""A checkpoint is read whole or refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

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
    llm = CausalLM(str(folder), weights, PlainTemplate("\n"), 2048, "CC0-1.0")
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
    with pytest.raises(ValueError, match=r"llm.weights .* got best"):
        build(assets_dir() / "tiny_llama", "best")
    with pytest.raises(ValueError, match=r"llm.checkpoint=nobody/nowhere is no readable folder"):
        build(Path("nobody/nowhere"))
