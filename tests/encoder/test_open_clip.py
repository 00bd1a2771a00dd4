"""The tower is open_clip's own, read from its own file format."""

import json
import shutil
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from safetensors.torch import load_file, save_file

from vlm.encoder.open_clip import WEIGHTS_FILE, OpenCLIPEncoder
from vlm.encoder.open_clip_tower import CONFIG_FILE, build_tower
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


TOWERS = ["ViT-B-32", "RN50", "convnext_tiny", "ViT-B-16-SigLIP", "EVA02-B-16", "ViTamin-S", "MobileCLIP-S1"]
"""One of each kind: open_clip's own, a ResNet; timm's convolutions, transformers, and both in one."""


def tower(architecture: str, weights: str = "random", **changes: Any) -> OpenCLIPEncoder:
    settings = {
        "architecture": architecture, "checkpoint": "x", "weights": weights, "layer": -2,
        "class_token": False, "mean": None, "std": None, "licence": "MIT",
    }  # fmt: skip
    return OpenCLIPEncoder(**OpenCLIPEncoder.twin(settings | changes) | {"weights": weights})


@pytest.mark.parametrize("architecture", TOWERS)
def test_any_tower_is_read_from_a_folder_and_sees_what_open_clip_sees(
    architecture: str, tmp_path: Path
) -> None:
    """Layers and heads that the features do not need are left out; what is left computes the same."""
    torch.manual_seed(0)
    encoder = tower(architecture, str(tmp_path))
    whole = build_tower(encoder.architecture)
    weights = {name: weight for name, weight in whole.state_dict().items() if not weight.is_meta}
    save_file({f"visual.{name}": weight for name, weight in weights.items()}, tmp_path / WEIGHTS_FILE)
    rows, columns = encoder.grid
    encoder.configure_model()
    pixels = torch.randn(2, 3, encoder.image_size, encoder.image_size)
    with torch.no_grad():
        features = encoder.eval()(pixels)
        expected = whole.forward_intermediates(pixels, intermediates_only=True)["image_intermediates"][-2]
    assert features.shape == (2, rows * columns, encoder.vision_dim)
    assert torch.allclose(features, expected.flatten(2).transpose(1, 2), atol=1e-5)
    assert sum(w.numel() for w in encoder.parameters()) < sum(w.numel() for w in whole.parameters())
    assert len(encoder.blocks[0]) == encoder._depth


@pytest.mark.parametrize("architecture", TOWERS)
def test_every_weight_of_any_tower_can_learn(architecture: str) -> None:
    encoder = tower(architecture)
    encoder.configure_model()
    encoder.train()(torch.randn(2, 3, encoder.image_size, encoder.image_size)).square().sum().backward()
    assert all(weight.grad is not None for weight in encoder.parameters())


def test_features_do_not_depend_on_the_rest_of_the_batch() -> None:
    """A ResNet's batch norms keep the statistics that they learned, even where it learns."""
    encoder = tower("RN50")
    encoder.configure_model()
    pixels = torch.randn(3, 3, encoder.image_size, encoder.image_size)
    alone, together = encoder.train()(pixels[:1]), encoder(pixels)[:1]
    assert torch.allclose(alone, together, atol=1e-5)


@pytest.mark.parametrize(("architecture", "has"), [("ViT-B-32", 1), ("EVA02-B-16", 1), ("RN50", 0)])
def test_the_class_token_is_kept_in_front_where_there_is_one(architecture: str, has: int) -> None:
    if not has:
        with pytest.raises(ValueError, match=r"encoder.class_token=true, but this encoder has none"):
            tower(architecture, class_token=True)
        return
    encoder = tower(architecture, class_token=True)
    encoder.configure_model()
    patches = tower(architecture)
    patches.configure_model()
    patches.load_state_dict(encoder.state_dict())
    pixels = torch.randn(1, 3, encoder.image_size, encoder.image_size)
    rows, columns = patches.grid
    assert encoder.grid == (1, rows * columns + 1)
    assert torch.allclose(encoder(pixels)[:, 1:], patches(pixels), atol=1e-5)


def test_several_layers_are_joined_in_the_order_they_are_named() -> None:
    joined, last, first = (tower("ViT-B-32", layer=layer) for layer in ([-1, -3], -1, -3))
    pixels = torch.randn(1, 3, joined.image_size, joined.image_size)
    for encoder in (joined, last, first):
        encoder.configure_model()
        encoder.load_state_dict(joined.state_dict(), strict=False)
    assert torch.allclose(joined(pixels), torch.cat([last(pixels), first(pixels)], dim=-1), atol=1e-5)
    with pytest.raises(ValueError, match=r"encoder.layer=\[-1, -2\] are of several grids"):
        tower("RN50", layer=[-1, -2])


def test_colors_are_those_published_with_the_checkpoint() -> None:
    known = {"weights": "pretrained", "layer": -2, "class_token": False, "licence": "MIT"}
    siglip = OpenCLIPEncoder("ViT-B-16-SigLIP", "webli", mean=None, std=None, **known)
    assert siglip.mean == siglip.std == (0.5, 0.5, 0.5)
    with pytest.raises(ValueError, match=r"encoder.mean is .* open_clip of ViT-B-16-SigLIP webli says"):
        OpenCLIPEncoder("ViT-B-16-SigLIP", "webli", mean=[0.4] * 3, std=None, **known).locate()
    with pytest.raises(ValueError, match=r"encoder.checkpoint=mine is no folder and none of webli"):
        OpenCLIPEncoder("ViT-B-16-SigLIP", "mine", mean=None, std=None, **known).locate()


def test_weights_of_a_deeper_tower_are_refused(tmp_path: Path) -> None:
    """Else its -2 would be another layer."""
    config = json.loads((FOLDER / CONFIG_FILE).read_text())
    config["model_cfg"]["vision_cfg"]["layers"] -= 1
    (tmp_path / CONFIG_FILE).write_text(json.dumps(config))
    shutil.copy(FOLDER / WEIGHTS_FILE, tmp_path)
    with pytest.raises(ValueError, match=r"does not fit its architecture .*transformer.resblocks.3"):
        build(tmp_path)
