"""One bit is enough to be seen."""

import pytest
import torch

from tests.conftest import Compose
from vlm.build import build_model, build_task
from vlm.training.proof import PIECE, Proof, checksum


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.uint8])
def test_a_checksum_sees_one_bit_and_an_exchange(dtype: torch.dtype) -> None:
    tensor = (torch.arange(PIECE + 7) % 251).to(dtype)
    before = checksum(tensor)
    assert checksum(tensor.clone()) == before
    for place in (0, 5, PIECE - 1, PIECE + 6):
        bits = tensor.clone().view(torch.uint8)
        bits[place] ^= 1
        assert checksum(bits.view(dtype)) != before
    swapped = tensor.clone()
    swapped[[3, PIECE + 3]] = swapped[[PIECE + 3, 3]]
    assert checksum(swapped) != before
    assert checksum(torch.empty(0, dtype=dtype)) == 0


def test_the_table_says_what_changed(compose: Compose) -> None:
    config = compose("stage=align_shapes")
    model = build_model(config)
    build_task(config, model, 1, []).configure_model()
    proof = Proof(model)
    with torch.no_grad():
        model.projector.layers[0].weight.add_(1)
        next(model.llm.parameters()).view(-1)[0].add_(1)
    changed = proof.of_what_changed(model)
    assert changed["projector"] == {"weights": 4, "learning": 4, "learned": 1, "disturbed": 0}
    assert changed["llm"]["disturbed"] == 1
    assert "1 of 4 weights changed" in proof.describe(changed)
    assert "47 of 48 frozen weights are byte-equal" in proof.describe(changed)
