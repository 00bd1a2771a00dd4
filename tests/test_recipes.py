"""The stages and experiments that stand for LLaVA's are its to the last constant.

Numbers from its scripts (scripts/v1_5/*.sh, scripts/*.sh at 1.2.2) and papers (arXiv:2304.08485, 2310.03744).
"""

import math
from typing import Any

import pytest
from omegaconf import DictConfig

from vlm.compose import compose_sentence
from vlm.paths import config_dir

Facts = tuple[int, float, float, float | None, str, tuple[str, str], str]

STAGES: dict[str, Facts] = {  # batch, epochs, rate, the projector's own, picture, what learns, mixture
    "align": (256, 1, 1e-3, None, "crop", ("full", "frozen"), "llava_lcs558k"),
    "instruct": (128, 1, 2e-5, None, "pad", ("full", "full"), "llava665k"),
    "instruct_lora": (128, 1, 2e-4, 2e-5, "pad", ("full", "adapter"), "llava665k"),
    "instruct_qlora": (128, 1, 2e-5, None, "crop", ("full", "adapter"), "llava_instruct158k"),
    "align_v1": (128, 1, 2e-3, None, "crop", ("full", "frozen"), "llava_cc3m_595k"),
    "instruct_v1": (32, 3, 2e-5, None, "crop", ("full", "full"), "llava_instruct158k"),
    "single": (128, 1, 2e-5, None, "pad", ("full", "full"), "llava665k"),
}
AFTER = {
    "instruct": "align",
    "instruct_lora": "align",
    "instruct_qlora": "align_v1",
    "instruct_v1": "align_v1",
}


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_is_llavas(name: str) -> None:
    sentence = compose_sentence([f"stage={name}"])
    stage, optimizer = sentence.config.stage, sentence.config.stage.optimizer
    batch, epochs, rate, projector, picture, learns, mixture = STAGES[name]
    assert (stage.batch_size, stage.epochs, stage.steps) == (batch, epochs, None)
    assert (optimizer.learning_rate, optimizer.projector.learning_rate) == (rate, projector)
    assert stage.image.mode.value == picture
    assert (stage.learns.encoder.value, stage.learns.projector.value, stage.learns.llm.value) == (
        "frozen",
        *learns,
    )
    assert set(sentence.config.mixture) == set(compose_sentence([f"mixture={mixture}"]).config.mixture)
    assert (stage.after.name if stage.after else None) == AFTER.get(name)
    for each in (stage, *([stage.after] if stage.after else [])):
        nothing_is_decayed_or_clipped(each.optimizer)


def nothing_is_decayed_or_clipped(optimizer: DictConfig) -> None:
    """DeepSpeed's files name no `gradient_clipping`, so `max_grad_norm` never reached it (reference 2.4)."""
    assert (optimizer.weight_decay, optimizer.max_gradient_norm, optimizer.ema) == (0, None, None)
    assert (optimizer.beta1, optimizer.beta2, optimizer.epsilon) == (0.9, 0.999, 1e-8)
    assert (optimizer.warmup_fraction, optimizer.schedule.value) == (0.03, "cosine")


@pytest.mark.parametrize(
    ("stage", "rank", "alpha", "bits"),
    [("instruct_lora", 128, 256, False), ("instruct_qlora", 64, 16, True)],
)
def test_a_stage_brings_its_adapter(stage: str, rank: int, alpha: int, bits: bool) -> None:
    adapter = compose_sentence([f"stage={stage}"]).config.adapter
    assert (adapter.rank, adapter.alpha, adapter.dropout, adapter.four_bit) == (rank, alpha, 0.05, bits)
    assert compose_sentence([f"stage={stage}", "adapter=lora64"]).config.adapter.rank == 64


@pytest.mark.parametrize(("name", "steps"), [("align", 2181), ("instruct", 5198)])
def test_steps_are_llavas(name: str, steps: int) -> None:
    """Of the samples that the mixtures must hold."""
    config = compose_sentence([f"stage={name}"]).config
    count = sum(source.count * source.weight for source in config.mixture.values())
    assert math.ceil(count * config.stage.epochs / config.stage.batch_size) == steps


def test_three_stages_are_put_together() -> None:
    stage = compose_sentence(["stage=three"]).config.stage
    names, middle = [stage.name, stage.after.name, stage.after.after.name], stage.after
    assert names == ["three", "detail", "align"]
    assert (middle.learns.encoder.value, middle.last_blocks.encoder) == ("blocks", 12)


EXPERIMENTS: dict[str, dict[str, Any]] = {
    "llava15_7b": {"encoder": "clip336", "projector": "mlp2", "llm": "vicuna7b", "stage": "instruct"},
    "llava15_13b": {"encoder": "clip336", "projector": "mlp2", "llm": "vicuna13b", "stage": "instruct"},
    "llava15_7b_lora": {"llm": "vicuna7b", "stage": "instruct_lora", "adapter": "lora128"},
    "llava15_13b_lora": {"llm": "vicuna13b", "stage": "instruct_lora", "adapter": "lora128"},
    "llava_7b": {"encoder": "clip224", "projector": "linear", "llm": "vicuna7b", "stage": "instruct_v1"},
    "llava_13b": {"encoder": "clip224", "projector": "linear", "llm": "vicuna13b", "stage": "instruct_v1"},
    "llava_7b_lora": {"encoder": "clip224", "llm": "vicuna7b", "stage": "instruct_v1", "adapter": "lora64"},
    "llava_13b_lora": {"encoder": "clip224", "llm": "vicuna13b", "stage": "instruct_v1", "adapter": "lora64"},
    "llama2_70b": {"encoder": "clip336", "projector": "mlp2", "llm": "llama2_70b", "stage": "instruct"},
}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_is_what_it_is_called(name: str) -> None:
    sentence = compose_sentence([f"experiment={name}"])
    assert EXPERIMENTS[name].items() <= sentence.choices.items()
    assert (sentence.config.name, sentence.config.devices) == (name, 8)
    assert sentence.config.nodes == (8 if name == "llama2_70b" else 1)
    assert sentence.config.trainer.precision == "bf16-mixed"
    assert not sentence.states_axes


@pytest.mark.parametrize("name", ["llava_7b_lora", "llava_13b_lora"])
def test_lora_of_the_first_paper_is_of_its_script(name: str) -> None:
    config = compose_sentence([f"experiment={name}"]).config
    assert (config.adapter.rank, config.adapter.alpha, config.adapter.dropout) == (64, 16, 0.05)
    assert config.stage.learns.llm.value == "adapter"


@pytest.mark.parametrize("nodes", [1, 2, 8])
def test_slurm_gives_machines_of_eight(nodes: int) -> None:
    sentence = compose_sentence(["experiment=llava15_13b", "cluster=slurm", f"nodes={nodes}"])
    assert sentence.states_axes, "it is submitted, not run here"
    assert (sentence.config.devices, sentence.config.nodes) == (8, nodes)


def test_every_experiment_is_named_after_its_file() -> None:
    for file in (config_dir() / "experiment").glob("*.yaml"):
        assert compose_sentence([f"experiment={file.stem}"]).config.name == file.stem
