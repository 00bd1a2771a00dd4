"""Weights of few bits: one clear line where they cannot be, and near answers where they can."""

import pytest
import torch
from torch import nn

from tests.exchange.made import make, many_prompts, said_by
from vlm.build import ready_to_answer
from vlm.cli import main
from vlm.compose import compose_sentence
from vlm.few_bits import keep_in_few_bits, require_few_bits
from vlm.study.scores import plan_in
from vlm.values import Quantization


def test_a_machine_without_is_told_so_in_a_line(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [*words, "trainer.max_steps=1", "evaluation.questions=2", "evaluation.controls=[]"]
    assert main(["train", *asked, "evaluation=none", "stage.after=null"]) == 0
    capsys.readouterr()
    few = [*asked, "stage.after=null", "evaluation.quantization=nf4"]
    monkeypatch.setattr("vlm.few_bits.find_spec", lambda name: None)
    assert main(["evaluate", *few]) == 2
    error = capsys.readouterr().err
    assert (
        "evaluation.quantization=nf4 needs bitsandbytes; pip install bitsandbytes, or leave it out" in error
    )
    assert error.count("\n") == 1
    monkeypatch.setattr("vlm.few_bits.find_spec", lambda name: name)
    assert main(["evaluate", *few]) == 2
    assert "evaluation.quantization=nf4 needs a CUDA device" in capsys.readouterr().err


def test_a_model_on_the_cpu_is_no_place_for_few_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlm.few_bits.find_spec", lambda name: name)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.raises(ValueError, match="needs a CUDA device"):
        require_few_bits("it", "leave it out", on_cuda=False)
    require_few_bits("it", "leave it out")


def test_scores_are_kept_apart_by_it_and_old_ones_stay_known(data_folder, tmp_path) -> None:
    def identity(*words: str) -> dict:
        config = compose_sentence([f"paths.data={data_folder}", *words]).config
        return plan_in(config, tmp_path)[0].identity

    assert "quantization" not in identity()
    assert identity("evaluation.quantization=int8")["quantization"] == "int8"


@pytest.mark.gpu
@pytest.mark.parametrize("kind", [Quantization.int8, Quantization.nf4])
def test_answers_in_few_bits_are_near(kind: Quantization) -> None:
    pytest.importorskip("bitsandbytes")
    words = (
        "trainer.accelerator=gpu",
        f"evaluation.quantization={kind.value}",
        "evaluation.precision=bfloat16",
    )
    model, config, transform = make(*words)
    prompts = many_prompts(4)
    whole = said_by(model, transform, prompts, 1)
    few = ready_to_answer(config, model)
    kinds = {type(module).__name__ for module in few.llm.network.modules()}
    assert {"int8": "Linear8bitLt", "nf4": "Linear4bit"}[kind.value] in kinds
    assert type(few.llm.network.lm_head) is nn.Linear
    with torch.no_grad():
        few.to("cuda")
        said = few.llm.network(input_ids=torch.tensor([[1, 20, 21]], device="cuda")).logits
    assert torch.isfinite(said).all()
    assert len(whole) == 4


def test_heads_stay_whole() -> None:
    network = nn.ModuleDict({"lm_head": nn.Linear(2, 2)})
    keep_in_few_bits(network, Quantization.nf4)
    assert type(network["lm_head"]) is nn.Linear
