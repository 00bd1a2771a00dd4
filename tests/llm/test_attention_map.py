"""The map of attention is that of transformers' own eager attention."""

import pytest
import torch

from tests.conftest import Compose
from tests.llm.test_attention_mass import IDS, LENGTHS, POSITIONS, build
from vlm.data.batch import Edges
from vlm.llm import attention_mass
from vlm.llm.attention_map import AttentionMap

PLACES = torch.tensor([1, 3, 5])


@torch.no_grad()
@pytest.mark.parametrize(("choice", "window"), [("tiny_llama", None), ("mistral7b", 3), ("gemma2_2b", 3)])
def test_it_is_that_of_transformers(
    choice: str, window: int | None, compose: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention_mass, "CHUNK", 2)
    llm = build(compose, choice, window)
    noted = AttentionMap(PLACES)
    with noted.noted():
        llm(llm.embed(IDS), POSITIONS, Edges.of(LENGTHS))
    llm.network.set_attn_implementation("eager")
    alone = llm.embed(IDS[: LENGTHS[0]]).unsqueeze(0)
    read = llm.network.base_model(inputs_embeds=alone, output_attentions=True)
    expected = torch.stack([layer[0][:, PLACES].mean((0, 1)) for layer in read.attentions])
    torch.testing.assert_close(torch.stack(noted.layers), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(expected.sum(1), torch.ones(len(expected)), atol=1e-5, rtol=0)
