"""The tower is open_clip's own, read from its own file format."""

import json
import shutil
from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import load_file, save_file

from vlm.encoder.open_clip import CONFIG_FILE, WEIGHTS_FILE, OpenCLIPEncoder
from vlm.paths import assets_dir

FOLDER = assets_dir() / "tiny_clip"


def build(folder: Path = FOLDER, layer: int = -2, weights: str = "pretrained") -> OpenCLIPEncoder:
    encoder = OpenCLIPEncoder(None, str(folder), weights, layer, False, [0.5] * 3, [0.5] * 3, "CC0-1.0")
    encoder.configure_model()
    return encoder.eval()


@pytest.mark.parametrize("layer", [-1, -2, -4])
def test_features_equal_open_clips_hidden_states(layer: int) -> None:
    """Fp32, the same operations in the same order: equal to rounding."""
    clip = open_clip.CLIP(**json.loads((FOLDER / CONFIG_FILE).read_text())["model_cfg"])
    weights = {
        name.removeprefix("visual."): w.float() for name, w in load_file(FOLDER / WEIGHTS_FILE).items()
    }
    clip.visual.load_state_dict(weights)
    pixels = torch.randn(2, 3, 72, 72)
    captured: list[torch.Tensor] = []
    clip.visual.transformer.resblocks[layer].register_forward_hook(lambda *call: captured.append(call[2]))
    clip.visual.eval()(pixels)
    assert torch.allclose(build(layer=layer)(pixels), captured[0][:, 1:], atol=1e-5)


def test_blocks_after_the_layer_are_not_built() -> None:
    assert len(build(layer=-2).network.transformer.resblocks) == 3


def test_random_weights_are_not_the_packaged_ones() -> None:
    pixels = torch.randn(1, 3, 72, 72)
    assert not torch.allclose(build()(pixels), build(weights="random")(pixels), atol=1e-2)


def test_mistakes_name_the_key(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"encoder.checkpoint=nowhere"):
        build(Path("nowhere"))
    with pytest.raises(ValueError, match=r"encoder.layer .* got -5"):
        build(layer=-5)
    with pytest.raises(ValueError, match=r"encoder.weights .* got best"):
        build(weights="best")
    shutil.copy(FOLDER / CONFIG_FILE, tmp_path)
    with pytest.raises(ValueError, match=f"no {WEIGHTS_FILE}; put it in"):
        build(tmp_path)


def test_weights_that_do_not_fit_are_named(tmp_path: Path) -> None:
    shutil.copy(FOLDER / CONFIG_FILE, tmp_path)
    weights = load_file(FOLDER / WEIGHTS_FILE)
    weights["visual.class_embedding"] = torch.zeros(3)
    save_file(weights, tmp_path / WEIGHTS_FILE)
    with pytest.raises(ValueError, match=r"does not fit its architecture[\s\S]*class_embedding"):
        build(tmp_path)


def test_weights_that_are_cut_off_are_named(tmp_path: Path) -> None:
    shutil.copy(FOLDER / CONFIG_FILE, tmp_path)
    (tmp_path / WEIGHTS_FILE).write_bytes((FOLDER / WEIGHTS_FILE).read_bytes()[:100_000])
    with pytest.raises(ValueError, match=f"{WEIGHTS_FILE} is damaged"):
        build(tmp_path)
