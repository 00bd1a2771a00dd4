"""What only a GPU can show: `make test-gpu`."""

from pathlib import Path

import pytest
import torch

from tests.conftest import Compose
from tests.training.spread import train
from vlm.build import build_model
from vlm.build_data import build_dataset

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]
SMALL = ["stage.after=null", "twin=true", "trainer=gpu", "trainer.num_workers=0"]


@pytest.fixture
def on_cpu(words: list[str], tmp_path: Path) -> list[float]:
    return train([*words, "stage.after=null", "twin=true"], tmp_path / "cpu")["losses"]


def test_varlen_attention_is_that_of_the_cpu(compose: Compose) -> None:
    model = build_model(compose("stage.after=null", "twin=true"))
    batch = build_dataset(compose("stage.after=null", "twin=true"), model)[0].rows[0]
    model.configure_model()
    with torch.no_grad():
        expected = model.eval().hidden_states(batch)
        model.to("cuda", torch.bfloat16)
        found = model.hidden_states(model.transfer_batch_to_device(batch, torch.device("cuda"), 0))
    assert (found.float().cpu() - expected).abs().mean() < 0.05


@pytest.mark.parametrize(
    "more",
    [
        ["strategy=single"],
        ["strategy=fsdp2"],
        ["strategy=fsdp"],
        ["strategy=ddp"],
        ["strategy=fsdp2", "strategy.cpu_offload=true"],
        ["strategy=fsdp2", "trainer.activation_checkpointing=full"],
        ["strategy=fsdp2", "trainer.activation_checkpointing=selective"],
        ["strategy=fsdp2", "trainer.compile=true", "trainer.tokens_per_row=512"],
        ["trainer.kernels=liger"],
        ["adapter=qlora", "twin=false", "stage.learns.llm=adapter"],
    ],
    ids=" ".join,
)
def test_losses_are_near_those_of_the_cpu(
    more: list[str], on_cpu: list[float], words: list[str], tmp_path: Path
) -> None:
    """In bfloat16, over weights of 32 bits."""
    if "trainer.kernels=liger" in more:
        pytest.importorskip("liger_kernel")
    if "adapter=qlora" in more:
        pytest.importorskip("bitsandbytes")
        assert train([*words, *SMALL, *more], tmp_path)["losses"][-1] > 0
        return
    assert train([*words, *SMALL, *more], tmp_path)["losses"] == pytest.approx(on_cpu, rel=0.05)
