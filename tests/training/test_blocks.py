"""However blocks are computed, the losses are the same."""

from pathlib import Path

import pytest
import torch
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from tests.conftest import Compose
from tests.losses import mean_loss
from tests.training.spread import train
from vlm.build import build_model, build_task
from vlm.build_data import build_dataset
from vlm.cli import main
from vlm.data.batch import Edges
from vlm.llm.attention import NAME as VARLEN
from vlm.llm.attention import varlen_attention
from vlm.llm.decoding import Decoding
from vlm.training.blocks import fuse
from vlm.values import Kernels

SMALL = ["stage.after=null", "twin=true", "stage.learns.encoder=full", "stage.batch_size=8"]


@pytest.fixture
def plain(words: list[str], tmp_path: Path) -> list[float]:
    return train([*words, *SMALL], tmp_path / "plain")["losses"]


@pytest.mark.parametrize("checkpointing", ["full", "selective"])
def test_activation_checkpointing_changes_no_loss(
    checkpointing: str, plain: list[float], words: list[str], tmp_path: Path
) -> None:
    words = [*words, *SMALL, f"trainer.activation_checkpointing={checkpointing}"]
    assert train(words, tmp_path)["losses"] == pytest.approx(plain, rel=1e-6)


def test_activation_checkpointing_computes_blocks_again(compose: Compose) -> None:
    """All of a block's products with `full`, none of them with `selective`."""
    products = {}
    for checkpointing in ("none", "selective", "full"):
        config = compose(*SMALL, f"trainer.activation_checkpointing={checkpointing}")
        model = build_model(config)
        batch = build_dataset(config, model)[0].rows[0]
        build_task(config, model, 1, []).configure_model()
        with torch.utils.flop_counter.FlopCounterMode(display=False) as counter:
            mean_loss(model, batch).backward()
        products[checkpointing] = counter.get_total_flops()
    assert products["none"] == products["selective"] < products["full"]


@pytest.mark.slow
def test_compiled_blocks_have_the_same_losses(
    plain: list[float], words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compiled once: all rows are of one size, however many documents they hold."""
    torch._dynamo.reset()
    sizes: set[int] = set()

    def attend(*inputs: object, edges: Edges, **options: object) -> object:
        sizes.add(len(edges.lengths))
        return varlen_attention(*inputs, edges=edges, **options)

    monkeypatch.setitem(ALL_ATTENTION_FUNCTIONS, VARLEN, torch.compiler.disable(attend))
    words = [*words, *SMALL, "trainer.compile=true", "trainer.tokens_per_row=512"]
    with torch._dynamo.config.patch(error_on_recompile=True):
        assert train(words, tmp_path)["losses"] == pytest.approx(plain, rel=1e-5)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"]
    assert len(sizes) > 1


@pytest.mark.slow
@torch._dynamo.config.patch(error_on_recompile=True)
def test_what_is_not_learned_from_is_not_compiled_for(compose: Compose) -> None:
    """Held-out rows and answers are of all sizes."""
    torch._dynamo.reset()
    config = compose(*SMALL, "trainer.compile=true", "trainer.tokens_per_row=512")
    model = build_model(config)
    dataset = build_dataset(config, model)
    build_task(config, model, 1, []).configure_model()
    mean_loss(model, dataset[0].rows[0]).backward()
    row = dataset[1].rows[0]
    with torch.no_grad():
        assert mean_loss(model, row).isfinite()
        dataset.row_size = 0
        assert mean_loss(model, dataset[2].rows[0]).isfinite()
        ids = [torch.arange(5), torch.arange(7)]
        assert len(model.generate(ids, row.tiles, row.visual_index[:0], Decoding(3), [0, 0])) == 2


def test_half_precision_is_near_and_frozen_weights_are_halved(
    words: list[str], tmp_path: Path, compose: Compose
) -> None:
    whole = train([*words, "stage.after=null"], tmp_path / "whole")
    half = train([*words, "stage.after=null", "trainer.precision=bf16-mixed"], tmp_path / "half")
    assert half["losses"] == pytest.approx(whole["losses"], rel=0.05)
    assert half["losses"] != whole["losses"]
    config = compose("stage.after=null", "trainer.precision=bf16-mixed")
    model = build_model(config)
    build_task(config, model, 1, []).configure_model()
    kinds = {weight.dtype for weight in model.encoder.parameters()}
    assert kinds == {torch.bfloat16}
    assert {weight.dtype for weight in model.llm.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["trainer.compile=true", "trainer.activation_checkpointing=selective"], "choose full or none"),
        (
            ["trainer.compile=true", "stage.batching.mode=padded"],
            "trainer.compile=true needs rows of one size",
        ),
        (["trainer.compile=true", "parity=llava"], "trainer.compile=true needs rows of one size"),
        (["trainer.kernels=liger"], "trainer.kernels=liger needs a CUDA device"),
    ],
)
def test_what_does_not_go_together_is_named(
    more: list[str], message: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *words, "stage.after=null", *more]) != 0
    printed = capsys.readouterr().err.strip()
    assert message in printed
    assert len(printed.splitlines()) == 1


def test_liger_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.raises(ValueError, match="pip install liger-kernel"):
        fuse(torch.nn.Identity(), Kernels.liger)
