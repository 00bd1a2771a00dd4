"""Which parts learn, and what their files hold."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.conftest import Compose
from vlm.build import build_model
from vlm.config import Learning
from vlm.model.vision_language import VisionLanguageModel
from vlm.training.parts import describe_parts, learning_parts, load_part, save_part, set_learning

ALIGN = {"encoder": Learning.frozen, "projector": Learning.full, "llm": Learning.frozen}


@pytest.fixture
def model(compose: Compose) -> VisionLanguageModel:
    built = build_model(compose())
    built.configure_model()
    return built


def test_only_what_learns_has_gradients_and_training_mode(model: VisionLanguageModel) -> None:
    set_learning(model, ALIGN)
    assert list(learning_parts(model)) == ["projector"]
    assert all(weight.requires_grad for weight in model.projector.parameters())
    assert not any(weight.requires_grad for weight in model.llm.parameters())
    assert not model.llm.network.training


def test_the_table_says_who_learns(model: VisionLanguageModel) -> None:
    set_learning(model, ALIGN)
    lines = describe_parts(model).splitlines()
    assert [line.split()[-1] for line in lines] == ["frozen", "learns", "frozen"]


def test_parts_must_be_named_and_one_must_learn(model: VisionLanguageModel) -> None:
    with pytest.raises(ValueError, match=r"stage.learns must name encoder, projector, llm"):
        set_learning(model, {"projector": Learning.full})
    with pytest.raises(ValueError, match="nothing to learn"):
        set_learning(model, dict.fromkeys(ALIGN, Learning.frozen))


@pytest.mark.parametrize("name", ["projector", "llm"])
def test_a_part_comes_back_bit_for_bit(name: str, model: VisionLanguageModel, tmp_path: Path) -> None:
    part = model.get_submodule(name)
    saved = {key: weight.detach().clone() for key, weight in part.named_parameters()}
    save_part(part, tmp_path / "part.safetensors")
    with torch.no_grad():
        for weight in part.parameters():
            weight.add_(1)
    load_part(name, part, tmp_path / "part.safetensors")
    assert all(torch.equal(weight, saved[key]) for key, weight in part.named_parameters())


def test_files_that_do_not_fit_are_named(model: VisionLanguageModel, tmp_path: Path) -> None:
    path = tmp_path / "projector.safetensors"
    save_part(model.projector, path)
    weights = load_file(path)
    save_file(weights | {"layers.0.bias": torch.zeros(3)}, path)
    with pytest.raises(ValueError, match=r"does not fit projector: layers.0.bias \(3,\) for \(128,\)"):
        load_part("projector", model.projector, path)
    save_file(weights | {"extra": torch.zeros(3)}, path)
    with pytest.raises(ValueError, match="does not fit projector: extra"):
        load_part("projector", model.projector, path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match="cannot be read"):
        load_part("projector", model.projector, path)
