"""Projectors that were trained elsewhere."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.conftest import Compose
from vlm.build import build_model
from vlm.model.vision_language import VisionLanguageModel


def model(compose: Compose, path: Path, projector: str = "mlp2", *more: str) -> VisionLanguageModel:
    built = build_model(compose(f"projector={projector}", f"projector.weights={path}", *more))
    built.configure_model()
    return built


def llava(projector: str) -> dict[str, torch.Tensor]:
    """State dicts as LLaVA's stage 1 writes them; our tiny parts' sizes."""
    names = {"linear": [""], "mlp2": ["0.", "2."]}[projector]
    tensors = {}
    for name in names:
        tensors[f"model.mm_projector.{name}weight"] = torch.randn(128, 128).half()
        tensors[f"model.mm_projector.{name}bias"] = torch.randn(128).half()
    return tensors


@pytest.mark.parametrize("projector", ["linear", "mlp2"])
def test_llavas_file_fills_the_connector(projector: str, compose: Compose, tmp_path: Path) -> None:
    tensors = llava(projector)
    torch.save(tensors, tmp_path / "mm_projector.bin")
    filled = model(compose, tmp_path, projector).projector.state_dict()
    assert [value.shape for value in filled.values()] == [value.shape for value in tensors.values()]
    assert all(torch.equal(a, b.float()) for a, b in zip(filled.values(), tensors.values(), strict=True))


def test_a_runs_own_file_fills_it(compose: Compose, tmp_path: Path) -> None:
    tensors = {name.replace("model.mm_projector", "layers"): t for name, t in llava("mlp2").items()}
    save_file(tensors, tmp_path / "projector.safetensors")
    filled = model(compose, tmp_path / "projector.safetensors").projector.state_dict()
    assert torch.equal(filled["layers.2.bias"], tensors["layers.2.bias"].float())


def test_the_end_of_rows_is_read_where_there_are_tiles_and_left_where_not(
    compose: Compose, tmp_path: Path
) -> None:
    newline = torch.randn(128)
    torch.save(llava("mlp2") | {"model.image_newline": newline}, tmp_path / "mm_projector.bin")
    assert model(compose, tmp_path).projector.row_end is None
    tiled = model(compose, tmp_path, "mlp2", "image@stage.image=anyres").projector
    assert torch.equal(tiled.row_end, newline)
    torch.save(llava("mlp2"), tmp_path / "mm_projector.bin")
    fresh = model(compose, tmp_path, "mlp2", "image@stage.image=anyres").projector
    assert fresh.row_end.std().item() == pytest.approx(128**-0.5, rel=0.3)


def test_mistakes_are_named(compose: Compose, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"projector.weights must be random, or a path .* has none"):
        model(compose, tmp_path)
    torch.save(llava("linear"), tmp_path / "mm_projector.bin")
    with pytest.raises(ValueError, match=r"projector.weights=.*bin does not fit .*layers.2.weight"):
        model(compose, tmp_path)
    torch.save({"weights": Path("harmful")}, tmp_path / "mm_projector.bin")
    with pytest.raises(ValueError, match=r"holds more than tensors and is not opened"):
        model(compose, tmp_path)
    (tmp_path / "mm_projector.bin").write_bytes(b"cut off")
    with pytest.raises(ValueError, match=r"mm_projector.bin"):
        model(compose, tmp_path)
