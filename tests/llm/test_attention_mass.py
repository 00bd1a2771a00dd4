"""Attention that is noted is that of transformers' own eager attention."""

import pytest
import torch
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from tests.conftest import Compose, complete_words
from vlm.build import build_model
from vlm.data.batch import Edges
from vlm.llm import attention_mass
from vlm.llm.attention import NAME as VARLEN
from vlm.llm.attention import varlen_attention
from vlm.llm.attention_mass import AttentionMass
from vlm.llm.base import LLM

LENGTHS = [6, 1, 9, 4]
PLACES = {0: torch.tensor([3, 5]), 2: torch.tensor([0, 4, 7, 8])}
WANTED = torch.tensor([False, True, True, False, False, False, True, *[False, True] * 4, False, *[True] * 4])
IDS = torch.arange(3, 3 + sum(LENGTHS))
POSITIONS = torch.cat([torch.arange(length) for length in LENGTHS])


def build(compose: Compose, choice: str, window: int | None) -> LLM:
    torch.manual_seed(1)
    llm = build_model(compose(f"llm={choice}", "twin=true")).llm
    if window:
        llm.config.sliding_window = window
    llm.configure_model()
    with torch.no_grad():
        for name, weight in llm.named_parameters():
            weight.mul_(8 if "q_proj" in name or "k_proj" in name else 3)  # or it attends to all alike
    return llm.eval()


@torch.no_grad()
def noted(llm: LLM) -> tuple[AttentionMass, torch.Tensor]:
    mass = AttentionMass(WANTED, PLACES)
    with mass.noted():
        return mass, llm(llm.embed(IDS), POSITIONS, Edges.of(LENGTHS))


@torch.no_grad()
def by_transformers(llm: LLM) -> tuple[torch.Tensor, torch.Tensor]:
    """Mass and uniform attention, [layer, document], each document alone."""
    llm.network.set_attn_implementation("eager")
    documents = list(zip(IDS.split(LENGTHS), WANTED.split(LENGTHS), strict=True))
    masses, uniforms = [], []
    for number, places in PLACES.items():
        ids, wanted = documents[number]
        read = llm.network.base_model(inputs_embeds=llm.embed(ids).unsqueeze(0), output_attentions=True)
        layers = [layer[0][:, places] for layer in read.attentions]
        masses.append(torch.stack([layer[..., wanted].sum(-1).mean() for layer in layers]))
        seen = [layer[0] > 0 for layer in layers]
        uniforms.append(torch.stack([(some[:, wanted].sum(-1) / some.sum(-1)).mean() for some in seen]))
    return torch.stack(masses, 1), torch.stack(uniforms, 1)


WINDOWS = [("mistral7b", 3), ("gemma2_2b", 3)]


@pytest.mark.parametrize(("choice", "window"), [*((word, None) for word in complete_words("llm")), *WINDOWS])
def test_it_is_that_of_transformers(choice: str, window: int | None, compose: Compose) -> None:
    llm = build(compose, choice, window)
    mass, _ = noted(llm)
    expected, uniform = by_transformers(llm)
    assert len(mass.mass) == len(llm.blocks[0]) >= 2
    torch.testing.assert_close(torch.stack(mass.mass), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.stack(mass.uniform), uniform, atol=1e-6, rtol=0)
    assert (expected - uniform).abs().max() > 0.02, "or nothing is shown"
    seen = torch.tensor([(2 / 4 + 2 / 6) / 2, (0 / 1 + 2 / 5 + 4 / 8 + 4 / 9) / 4])
    if not window:
        torch.testing.assert_close(mass.uniform[0], seen, atol=1e-6, rtol=0)
    else:
        assert not torch.allclose(mass.uniform[0], seen, atol=1e-2), "the window hides some"


def test_what_is_read_is_the_same_and_nothing_is_left_behind(compose: Compose) -> None:
    llm = build(compose, "mistral7b", None)
    with torch.no_grad():
        before = llm(llm.embed(IDS), POSITIONS, Edges.of(LENGTHS))
    _, hidden = noted(llm)
    assert torch.equal(hidden, before)
    assert ALL_ATTENTION_FUNCTIONS[VARLEN] is varlen_attention
    with pytest.raises(ZeroDivisionError), AttentionMass(WANTED, PLACES).noted():
        raise ZeroDivisionError
    assert ALL_ATTENTION_FUNCTIONS[VARLEN] is varlen_attention


def test_chunks_are_the_whole(compose: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    llm = build(compose, "gemma2_2b", 3)
    whole, _ = noted(llm)
    monkeypatch.setattr(attention_mass, "CHUNK", 3)
    chunked, _ = noted(llm)
    torch.testing.assert_close(torch.stack(chunked.mass), torch.stack(whole.mass), atol=1e-6, rtol=0)


def test_a_row_may_have_nothing_to_watch(compose: Compose) -> None:
    llm = build(compose, "mistral7b", None)
    mass = AttentionMass(WANTED, {})
    with mass.noted():
        llm(llm.embed(IDS), POSITIONS, Edges.of(LENGTHS))
    assert torch.stack(mass.mass).shape == (2, 0)


def test_in_few_bits_probabilities_are_whole() -> None:
    """Softmax in float32, under autocast too: what rounds is what the LLM gives."""
    query, key = (torch.randn(1, 4, 20, 8).bfloat16() for _ in range(2))
    found = []
    for autocast, dtype in ((True, torch.bfloat16), (False, torch.float32)):
        mass = AttentionMass(WANTED, PLACES)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            q, k = query.to(dtype), key.to(dtype)
            mass._attend(torch.nn.Identity(), q, k, k, None, edges=Edges.of(LENGTHS))
        found.append(mass.mass[0])
    torch.testing.assert_close(*found, atol=1e-6, rtol=0)
