"""Which parts learn, and what their files hold."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.conftest import Compose
from vlm.adapter.none import NoAdapter
from vlm.build import build_model
from vlm.model.vision_language import VisionLanguageModel
from vlm.strategy.single import Single
from vlm.training.parts import describe_parts, learning_parts, set_learning
from vlm.training.weights import load_part, save_part
from vlm.values import Learning

ALIGN = {"encoder": Learning.frozen, "projector": Learning.full, "llm": Learning.frozen}


@pytest.fixture
def model(compose: Compose) -> VisionLanguageModel:
    built = build_model(compose())
    built.configure_model()
    return built


def test_only_what_learns_has_gradients_and_training_mode(model: VisionLanguageModel) -> None:
    set_learning(model, ALIGN, {}, NoAdapter())
    assert list(learning_parts(model)) == ["projector"]
    assert all(weight.requires_grad for weight in model.projector.parameters())
    assert not any(weight.requires_grad for weight in model.llm.parameters())
    assert not model.llm.network.training


def test_the_table_says_who_learns(model: VisionLanguageModel) -> None:
    set_learning(model, ALIGN, {}, NoAdapter())
    lines = describe_parts(model).splitlines()
    assert [line.split()[-1] for line in lines] == ["frozen", "learns", "frozen"]


def test_parts_must_be_named_and_one_must_learn(model: VisionLanguageModel) -> None:
    with pytest.raises(ValueError, match=r"stage.learns must name encoder, projector, llm"):
        set_learning(model, {"projector": Learning.full}, {}, NoAdapter())
    with pytest.raises(ValueError, match="nothing to learn"):
        set_learning(model, dict.fromkeys(ALIGN, Learning.frozen), {}, NoAdapter())


@pytest.mark.parametrize("name", ["projector", "llm"])
def test_a_part_comes_back_bit_for_bit(name: str, model: VisionLanguageModel, tmp_path: Path) -> None:
    part = model.get_submodule(name)
    saved = {key: weight.detach().clone() for key, weight in part.named_parameters()}
    save_part(part, tmp_path / "part.safetensors", Single())
    with torch.no_grad():
        for weight in part.parameters():
            weight.add_(1)
    load_part(name, part, tmp_path / "part.safetensors")
    assert all(torch.equal(weight, saved[key]) for key, weight in part.named_parameters())


def test_files_that_do_not_fit_are_named(model: VisionLanguageModel, tmp_path: Path) -> None:
    path = tmp_path / "projector.safetensors"
    save_part(model.projector, path, Single())
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


def test_the_last_blocks_learn_and_come_back(model: VisionLanguageModel, tmp_path: Path) -> None:
    learns = ALIGN | {"encoder": Learning.blocks}
    set_learning(model, learns, {"encoder": 1}, NoAdapter())
    [stack] = model.encoder.blocks
    inside = {f"network.{name}" for name, _ in model.encoder.network.named_parameters()}
    last = {id(weight) for weight in stack[-1].parameters()}
    learning = {name for name, weight in model.encoder.named_parameters() if weight.requires_grad}
    assert {id(weight) for weight in model.encoder.parameters() if weight.requires_grad} == last
    save_part(model.encoder, tmp_path / "encoder.safetensors", Single())
    assert set(load_file(tmp_path / "encoder.safetensors")) == learning < inside
    saved = {name: weight.detach().clone() for name, weight in model.encoder.named_parameters()}
    with torch.no_grad():
        for weight in stack[-1].parameters():
            weight.add_(1)
    load_part("encoder", model.encoder, tmp_path / "encoder.safetensors")
    assert all(torch.equal(weight, saved[name]) for name, weight in model.encoder.named_parameters())


def test_the_last_blocks_of_an_llm_learn(model: VisionLanguageModel) -> None:
    set_learning(model, ALIGN | {"llm": Learning.blocks}, {"llm": 1}, NoAdapter())
    [stack] = model.llm.blocks
    learning = {id(weight) for weight in model.llm.parameters() if weight.requires_grad}
    assert learning == {id(weight) for weight in stack[-1].parameters()}


def test_how_many_blocks_must_be_said_and_there(model: VisionLanguageModel) -> None:
    learns = ALIGN | {"encoder": Learning.blocks}
    with pytest.raises(ValueError, match=r"stage.learns.encoder=blocks, but not how many"):
        set_learning(model, learns, {}, NoAdapter())
    with pytest.raises(ValueError, match=r"stage.last_blocks.encoder must be between 1 and 3, got 9"):
        set_learning(model, learns, {"encoder": 9}, NoAdapter())
    with pytest.raises(ValueError, match=r"stage.last_blocks.llm has no effect; set stage.learns.llm=blocks"):
        set_learning(model, learns, {"encoder": 1, "llm": 1}, NoAdapter())


def test_a_file_that_lacks_a_weight_is_refused(model: VisionLanguageModel, tmp_path: Path) -> None:
    path = tmp_path / "projector.safetensors"
    save_part(model.projector, path, Single())
    weights = load_file(path)
    del weights["layers.2.bias"]
    save_file(weights, path)
    with pytest.raises(ValueError, match=r"does not fit projector: layers.2.bias"):
        load_part("projector", model.projector, path)
