"""What each strategy promises, as far as it can be seen without a GPU."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.distributed.tensor import DTensor

from tests.conftest import Compose
from tests.training.pair import Pair
from tests.training.spread import train
from vlm.build import build_strategy
from vlm.cli import main
from vlm.strategy.base import Strategy
from vlm.strategy.fsdp import FSDP
from vlm.strategy.fsdp2 import FSDP2
from vlm.strategy.single import Single


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    both = Pair()
    yield both
    both.close()


def test_auto_follows_the_number_of_devices(compose: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(build_strategy(compose()), Single)
    monkeypatch.setenv("WORLD_SIZE", "2")
    strategy = build_strategy(compose("strategy.hybrid=true"))
    assert isinstance(strategy, FSDP2)
    assert strategy.hybrid


@pytest.mark.parametrize("word", ["fsdp2", "fsdp"])
def test_a_precision_that_no_policy_is_made_for_is_named(
    word: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    run = ["train", *words, "evaluation=none", f"strategy={word}", "trainer.precision=16-mixed"]
    assert main(run) != 0
    assert f"trainer.precision=16-mixed does not go with strategy={word}; choose" in capsys.readouterr().err


def test_there_must_be_a_gpu_to_offload_from(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    run = ["train", *words, "evaluation=none", "strategy=fsdp2", "strategy.cpu_offload=true"]
    assert main(run) != 0
    assert "strategy.cpu_offload=true has no effect on the CPU" in capsys.readouterr().err


def test_one_device_may_be_a_group_of_its_own(words: list[str], tmp_path: Path) -> None:
    """As on one GPU, where `fsdp2` computes in bfloat16 without copies of all weights."""
    run = ["train", *words, "evaluation=none", "stage=align_shapes"]
    for word in ("single", "fsdp2", "ddp"):
        assert main([*run, f"strategy={word}", f"paths.runs={tmp_path}/{word}"]) == 0
    files = [
        next(tmp_path.glob(f"{word}/align-*/weights/projector.safetensors")) for word in ("single", "ddp")
    ]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_weights_of_few_bits_are_not_shared_out() -> None:
    model = nn.Linear(2, 2)
    model.weight = nn.Parameter(torch.zeros(2, 2, dtype=torch.uint8), requires_grad=False)
    with pytest.raises(ValueError, match="adapter=qlora does not go with strategy=fsdp2; choose"):
        FSDP2(hybrid=False, cpu_offload=False).spread(model, [], "32-true", "cpu")


def test_lightnings_first_form_is_told_everything() -> None:
    strategy, precision = FSDP(hybrid=True, cpu_offload=True).lightning("bf16-mixed")
    assert precision == "32-true"
    assert strategy.sharding_strategy.name == "HYBRID_SHARD"
    assert strategy.cpu_offload.offload_params
    assert strategy.mixed_precision.reduce_dtype is torch.float32


def norms(strategy: Strategy) -> tuple[float, float, list[str]]:
    torch.manual_seed(5)
    model = nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 3))
    whole = torch.nn.utils.get_total_norm(list(model.parameters()))
    strategy.spread(model, list(model), "32-true", "cpu")
    spread = strategy.norm(list(model.parameters()))
    shares = [str(tuple(w.to_local().shape)) for w in model.parameters() if isinstance(w, DTensor)]
    return float(whole), float(spread), shares


def norms_of_machines_of_one() -> tuple[float, float, list[str]]:
    os.environ["LOCAL_WORLD_SIZE"] = "1"
    try:
        return norms(FSDP2(hybrid=True, cpu_offload=False))
    finally:
        os.environ["LOCAL_WORLD_SIZE"] = "2"


def test_a_norm_is_that_of_the_whole(pair: Pair) -> None:
    for whole, spread, shares in pair.run(norms, FSDP2(hybrid=False, cpu_offload=False)):
        assert spread == pytest.approx(whole, rel=1e-6)
        assert len(shares) == 4
    for whole, spread, shares in pair.run(norms_of_machines_of_one):
        assert spread == pytest.approx(whole, rel=1e-6)
        assert shares == ["(5, 6)", "(5,)", "(3, 5)", "(3,)"], "each machine has all of it"


def test_shares_are_clipped_as_wholes_are(pair: Pair, words: list[str], tmp_path: Path) -> None:
    clipped = ["stage.optimizer.max_gradient_norm=0.1", "trainer.tokens_per_row=150"]
    run = [*words, "stage.after=null", "twin=true", *clipped]
    alone = train(run, tmp_path / "alone")["losses"]
    assert alone != train(run[:-2], tmp_path / "free")["losses"]
    both = pair.run(train, [*run, "strategy=fsdp2"], tmp_path / "both")
    assert both[0]["losses"] == pytest.approx(alone, rel=1e-5)
