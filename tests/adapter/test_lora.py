"""Adapters: where they stand, what they change, and that merging is exact."""

import json
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from torch import nn

from tests.conftest import Compose, complete_words
from vlm.adapter.lora import LoRA, linear_layers
from vlm.adapter.none import NoAdapter
from vlm.build import build_adapter, build_model
from vlm.cli import main
from vlm.data.batch import Edges
from vlm.model.vision_language import VisionLanguageModel
from vlm.strategy.single import Single
from vlm.training.parts import set_learning
from vlm.training.weights import load_weights, save_weights
from vlm.values import Learning

CHOICES = [word for word in complete_words("adapter") if word != "none"]
LLMS = ["llama2_7b", "phi35_mini", "gemma2_2b"]
"""Plain; projections of queries, keys and values in one; soft caps and tied embeddings."""
ADAPTED = {"encoder": Learning.frozen, "projector": Learning.full, "llm": Learning.adapter}
EDGES = Edges.of([9])


def twin(compose: Compose, *words: str) -> VisionLanguageModel:
    torch.manual_seed(0)
    model = build_model(compose("twin=true", *words))
    model.configure_model()
    return model.eval()


def logits(model: VisionLanguageModel) -> torch.Tensor:
    return model.llm(model.llm.embed(torch.arange(9)), torch.arange(9), EDGES) @ model.llm.head.T


def learn_something(network: nn.Module) -> None:
    for name, weight in network.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(weight, std=0.3)


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("llm", LLMS)
def test_merging_back_is_exact(choice: str, llm: str, compose: Compose, tmp_path: Path) -> None:
    """Fp32: the product is added to the weight once instead of its outcome each time; rounding differs."""
    words = [f"llm={llm}", f"adapter={choice}", "stage.learns.llm=adapter"]
    model = twin(compose, *words)
    before = logits(model)
    adapted = set_learning(model, ADAPTED, {}, build_adapter(compose("twin=true", *words)))
    model.eval()
    assert torch.allclose(logits(model), before, atol=1e-5), "it starts as nothing"
    learn_something(model.llm)
    after = logits(model)
    assert not torch.allclose(after, before, atol=1e-2)
    save_weights(model, adapted, tmp_path, Single())
    again = twin(compose, *words)
    load_weights(again, tmp_path)
    assert not any("lora" in name for name, _ in again.llm.named_parameters())
    assert torch.allclose(logits(again), after, atol=1e-4)


def test_it_stands_beside_every_linear_layer_of_the_llm_and_nothing_else(compose: Compose) -> None:
    model = twin(compose)
    linear = linear_layers(model.llm.network)
    assert len(linear) == 2 * 7
    assert not any("lm_head" in name for name in linear)
    others = {name: weight for name, weight in model.named_parameters() if not name.startswith("llm.")}
    set_learning(model, ADAPTED, {}, LoRA(4, 8, 0.0, "all-linear", False, False))
    assert {name for name, _ in model.named_parameters() if not name.startswith("llm.")} == set(others)
    learning = {name for name, weight in model.llm.named_parameters() if weight.requires_grad}
    pairs = {f"network.{name}.lora_{side}.default.weight" for name in linear for side in "AB"}
    assert learning == pairs


def test_the_files_are_pefts(compose: Compose, tmp_path: Path) -> None:
    model = twin(compose)
    adapted = set_learning(model, ADAPTED, {}, LoRA(4, 8, 0.0, ["q_proj", "v_proj"], False, False))
    learn_something(model.llm)
    save_weights(model, adapted, tmp_path, Single())
    written = {path.name for path in (tmp_path / "llm").iterdir()}
    assert written == {"adapter_config.json", "adapter_model.safetensors"}
    assert json.loads((tmp_path / "llm/adapter_config.json").read_text())["r"] == 4
    plain = twin(compose).llm.network  # what peft alone makes of the folder
    theirs = PeftModel.from_pretrained(plain, str(tmp_path / "llm")).eval()
    ids = torch.arange(9).unsqueeze(0)
    assert torch.allclose(theirs(ids).logits[0], logits(model.eval()), atol=1e-4)


def test_an_encoder_learns_by_it_too(compose: Compose, tmp_path: Path) -> None:
    for encoder in ("clip336", "dinov2_large"):
        model = twin(compose, f"encoder={encoder}")
        pixels = torch.randn(1, 3, model.encoder.image_size, model.encoder.image_size)
        learns = {"encoder": Learning.adapter, "projector": Learning.frozen, "llm": Learning.frozen}
        adapted = set_learning(model, learns, {}, LoRA(4, 8, 0.0, "all-linear", False, False))
        learn_something(model.encoder)
        model.encoder(pixels).square().sum().backward()
        learning = {name: w for name, w in model.encoder.named_parameters() if w.requires_grad}
        assert all("lora" in name and weight.grad.any() for name, weight in learning.items())
        save_weights(model, adapted, tmp_path / encoder, Single())
        again = twin(compose, f"encoder={encoder}")
        load_weights(again, tmp_path / encoder)
        assert torch.allclose(again.encoder(pixels), model.eval().encoder(pixels), atol=1e-4)


def test_mistakes_name_the_key(compose: Compose, tmp_path: Path) -> None:
    model = twin(compose)
    with pytest.raises(
        ValueError, match=r"adapter.targets=\['mm_projector'\] match no linear layer of the llm"
    ):
        LoRA(4, 8, 0.0, ["q_proj", "mm_projector"], False, False).attach("llm", model.llm.network)
    with pytest.raises(ValueError, match=r"adapter.targets=\['lm_head'\]"):
        LoRA(4, 8, 0.0, ["lm_head"], False, False).attach("llm", model.llm.network)
    with pytest.raises(ValueError, match=r"stage.learns.llm=adapter, but adapter=none; choose"):
        set_learning(model, ADAPTED, {}, NoAdapter())
    with pytest.raises(ValueError, match=r"adapter.rank must be at least 1"):
        LoRA(0, 8, 0.0, "all-linear", False, False)
    learns = ADAPTED | {"projector": Learning.adapter}
    with pytest.raises(ValueError, match=r"stage.learns.projector must be frozen or full"):
        set_learning(model, learns, {}, LoRA(4, 8, 0.0, "all-linear", False, False))
    (tmp_path / "llm").mkdir()
    with pytest.raises(ValueError, match=r"is damaged or does not fit llm"):
        load_weights(twin(compose), tmp_path)


def test_four_bits_say_what_they_need(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sentence = ["train", *words, "adapter=qlora", "stage.learns.llm=adapter", "evaluation=none"]
    monkeypatch.setattr("vlm.few_bits.find_spec", lambda name: None)
    assert main(sentence) != 0
    assert "adapter=qlora needs bitsandbytes; pip install bitsandbytes" in capsys.readouterr().err
    monkeypatch.setattr("vlm.few_bits.find_spec", lambda name: name)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(sentence) != 0
    assert "adapter=qlora needs a CUDA device" in capsys.readouterr().err


def test_an_adapter_that_nothing_learns_by_is_refused(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *words, "adapter=lora64"]) != 0
    assert (
        "adapter has no effect: no part learns by it; set stage.learns.llm=adapter" in capsys.readouterr().err
    )
