"""The count of operations, held to what a real step does and to sums made by hand."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest
import torch
from omegaconf import DictConfig, OmegaConf
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import linear
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

from tests.conftest import Compose
from vlm.build import build_adapter, build_model, plan_model
from vlm.build_data import build_dataset
from vlm.data.batch import PackedBatch
from vlm.data.tokens import IMAGE_ID
from vlm.model.flops import ModelFlops, count_flops, count_pairs
from vlm.model.vision_language import VisionLanguageModel
from vlm.training.parts import set_learning

WHOLE = "stage.learns={encoder: full, projector: full, llm: full}"
ONLY_LLM = "stage.learns={encoder: frozen, projector: frozen, llm: %s}"
CELLS = {
    "align": ["encoder=clip224", "projector=mlp2", "llm=vicuna7b", "stage=align_shapes"],
    "instruct": ["encoder=clip224", "projector=mlp2", "llm=vicuna7b"],
    "all learns": ["encoder=dinov2_large", "projector=c_abstractor", "llm=gemma2_2b", WHOLE],
    "LoRA": ["projector=resampler64", "llm=mistral7b", "adapter=lora64", "stage.learns.llm=adapter"],
    "LoRA alone": ["llm=qwen25_05b", "adapter=lora64", ONLY_LLM % "adapter"],
    "LoRA of queries": ["adapter=lora64", "adapter.targets=[q_proj]", ONLY_LLM % "adapter"],
    "DoRA": ["llm=phi35_mini", "adapter=dora64", "stage.learns.llm=adapter"],
    "LoRA in the encoder": ["encoder=siglip384", "adapter=lora64", "stage.learns.encoder=adapter"],
    "last block of the encoder": [
        "encoder=siglip384_dinov2", "projector=ldp2", "stage.learns.encoder=blocks",
        "+stage.last_blocks.encoder=1",
    ],
    "only the encoder learns": [
        "encoder=clip336_s2", "projector=token_merge",
        "stage.learns={encoder: full, projector: frozen, llm: frozen}",
    ],
    "SAM and a Q-Former": ["encoder=sam_base", "projector=qformer32", "stage=align_shapes"],
    "tiles and row ends": ["image@stage.image=anyres_hd", "projector=pixel_shuffle", "stage=align_shapes"],
}  # fmt: skip


@pytest.fixture(autouse=True)
def nothing_hides() -> Iterator[None]:
    torch.backends.mha.set_fastpath_enabled(False)
    yield
    torch.backends.mha.set_fastpath_enabled(True)


def learn(config: DictConfig, model: VisionLanguageModel) -> VisionLanguageModel:
    model.configure_model()
    stage = OmegaConf.to_object(config.stage)
    set_learning(model, stage.learns, stage.last_blocks, build_adapter(config))
    return model


def shape(config: DictConfig) -> VisionLanguageModel:
    with torch.device("meta"):
        return learn(config, plan_model(config))


def count(config: DictConfig) -> ModelFlops:
    return count_flops(shape(config))


def build(config: DictConfig) -> tuple[VisionLanguageModel, PackedBatch]:
    model = build_model(config)
    row = build_dataset(config, model)[0].rows[0]
    return learn(config, model), row


def done(model: VisionLanguageModel, row: PackedBatch) -> tuple[int, int]:
    """What torch counts forward and backward; what its kernels of attention and losses do hides from it."""
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        hidden = model.hidden_states(row)
        logits = linear(hidden[: row.num_supervised], model.llm.head)
        forward = counter.get_total_flops()
        logits.sum().backward()
    return forward, counter.get_total_flops() - forward


def counted(flops: ModelFlops, row: PackedBatch, checkpointing: bool = False) -> tuple[int, int]:
    """Our count, forward and backward, but for pairs: torch counts those that do not see each other too."""
    lengths = row.edges.lengths
    no_pairs = replace(flops, per_pair={})
    total = no_pairs.of_row(len(row.tiles), lengths, row.num_supervised, checkpointing)
    for pair in flops.per_pair.values():
        seen = pair if checkpointing else replace(pair, recomputed=0)
        total += seen * sum(length**2 for length in lengths)
    return total.forward, total.backward + total.recomputed


@pytest.mark.parametrize("cell", CELLS)
def test_the_count_is_what_a_real_row_does(cell: str, compose: Compose) -> None:
    """Exactly: both are sums of the same products."""
    config = compose("twin=true", "stage.after=null", *CELLS[cell])
    model, row = build(config)
    assert len(row.edges.boundaries) > 2
    assert len(row.tiles)
    assert counted(count(config), row) == done(model, row)


def test_a_row_of_text_runs_one_blank_tile(compose: Compose) -> None:
    config = compose("twin=true")
    model, row = build(config)
    words = row.ids.masked_fill(row.ids == IMAGE_ID, 5)
    row = replace(row, ids=words, tiles=row.tiles[:0], visual_index=row.visual_index[:0])
    assert counted(count(config), row) == done(model, row)


def checkpoint_blocks(model: VisionLanguageModel) -> None:
    for stack in [*model.encoder.blocks, *model.llm.blocks]:
        for block in stack:
            block.forward = partial(checkpoint, block.forward, use_reentrant=False)


@pytest.mark.parametrize("cell", ["align", "all learns", "LoRA", "DoRA"])
def test_what_checkpointing_does_again(cell: str, compose: Compose) -> None:
    config = compose("twin=true", "stage.after=null", *CELLS[cell])
    model, row = build(config)
    checkpoint_blocks(model)
    flops = count(config)
    assert counted(flops, row, checkpointing=True) == done(model, row)
    assert counted(flops, row, checkpointing=True)[1] > counted(flops, row)[1]


def test_no_gradient_enters_blocks_before_those_that_learn(compose: Compose) -> None:
    config = compose("twin=true", "llm=llama3_8b", ONLY_LLM % "full")
    (model, row), shapes = build(config), shape(config)
    for each in (model, shapes):
        each.llm.requires_grad_(False)
        each.llm.blocks[0][-1].requires_grad_(True)
    flops = count_flops(shapes)
    assert flops.per_token.backward == flops.per_token.forward  # twice, of one of two blocks
    assert counted(flops, row) == done(model, row)
    checkpoint_blocks(model)
    assert counted(flops, row, checkpointing=True) == done(model, row)


def test_a_llama_by_hand(compose: Compose) -> None:
    """4 x 32 x 32 of attention and 3 x 32 x 64 of a gated layer, twice; a vocabulary of 576."""
    weights = 2 * (4 * 32 * 32 + 3 * 32 * 64)
    for stage, passes in {"align": 1, "instruct": 2}.items():
        flops = count(compose("twin=true", "llm=vicuna7b", f"stage={stage}"))
        assert (flops.per_row.forward, flops.per_row.backward) == (0, 0)
        assert (flops.per_token.forward, flops.per_token.backward) == (2 * weights, passes * 2 * weights)
        head = 2 * 576 * 32
        assert (flops.per_supervised.forward, flops.per_supervised.backward) == (head, passes * head)
        [pair] = flops.per_pair.values()
        assert (pair.forward, pair.backward, pair.recomputed) == (2 * 2 * 2 * 32, 2 * 2 * 2 * 2 * 32, 256)
        lengths, pairs = [5, 1, 3], 15 + 1 + 6
        row = flops.of_row(2, lengths, 4)
        assert row.forward == 2 * flops.per_tile.forward + 2 * weights * 9 + head * 4 + 256 * pairs
        assert row.hardware == row.model == row.forward + row.backward
        again = flops.of_row(2, lengths, 4, checkpointing=True)
        assert again.hardware - again.model == flops.per_token.recomputed * 9 + 256 * pairs


@pytest.mark.parametrize("window", [None, 1, 3, 8, 9, 100])
def test_pairs_are_those_that_see_each_other(window: int | None) -> None:
    for length in (1, 2, 8, 30):
        distance = torch.arange(length).unsqueeze(1) - torch.arange(length)
        seen = (distance >= 0) & (distance < (window or length))
        assert count_pairs(length, window) == int(seen.sum())


WINDOWS = {
    "vicuna7b": ([], [None]),
    "mistral7b": (["sliding_window=16"], [16]),
    "gemma2_2b": (["sliding_window=16"], [16, None]),
    "qwen25_05b": (["use_sliding_window=true", "sliding_window=16", "max_window_layers=1"], [None, 16]),
}


@pytest.mark.parametrize("llm", WINDOWS)
def test_each_layer_has_its_window(llm: str, compose: Compose) -> None:
    words, windows = WINDOWS[llm]
    flops = count(compose("twin=true", f"llm={llm}", *[f"++llm.config.{word}" for word in words]))
    assert list(flops.per_pair) == windows
    lengths, layers = [40, 7], windows * (2 // len(windows))
    pairs = sum(count_pairs(length, window) for window in layers for length in lengths)
    whole, rest = flops.of_row(1, lengths, 0), replace(flops, per_pair={}).of_row(1, lengths, 0)
    assert whole.forward - rest.forward == 2 * 2 * 32 * pairs
    assert whole.backward - rest.backward == 2 * 2 * 2 * 32 * pairs


def test_llava_7b_by_hand(compose: Compose) -> None:
    """Its real shape; no weight is made."""
    config = compose("encoder=clip336", "projector=mlp2", "llm=vicuna7b")
    flops = count(config)
    matrices = 32 * (4 * 4096**2 + 3 * 4096 * 11008)
    assert (flops.per_token.forward, flops.per_token.backward) == (2 * matrices, 4 * matrices)
    assert flops.per_supervised.model == 6 * 32000 * 4096
    assert flops.per_pair[None].model == 3 * 32 * 4 * 4096
    seen = 23 * (577 * 12 * 1024**2 + 2 * 577**2 * 1024) + 576 * 3 * 14**2 * 1024
    first, second = 576 * 1024 * 4096, 576 * 4096**2
    assert flops.per_tile.forward == 2 * (seen + first + second)
    assert flops.per_tile.backward == 2 * (first + 2 * second)  # no gradient enters the encoder


def test_what_depends_on_values_is_refused(compose: Compose) -> None:
    words = "{model_type: llama, rope_parameters: {rope_type: dynamic, factor: 2.0, rope_theta: 10000.0}}"
    config = compose(
        "llm=huggingface", "llm.checkpoint=a/b", "template@llm.template=v1", f"llm.config={words}"
    )
    with pytest.raises(ValueError, match="cannot be counted without values"):
        count(config)
