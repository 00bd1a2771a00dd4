"""Every LLM keeps the contract; a new YAML is tested without an edit here."""

from itertools import pairwise

import pytest
import torch

from tests.conftest import Compose, complete_words
from vlm.build import build_model
from vlm.data.batch import Edges
from vlm.llm.base import LLM
from vlm.llm.decoding import Decoding

CHOICES = complete_words("llm")
EDGES = Edges.of([5, 1, 7])
POSITIONS = torch.cat([torch.arange(5), torch.arange(1), torch.arange(7)])


@pytest.fixture(params=CHOICES)
def llm(request: pytest.FixtureRequest, compose: Compose) -> LLM:
    built = build_model(compose(f"llm={request.param}", "twin=true")).llm
    built.configure_model()
    return built.eval()


def test_sizes_agree(llm: LLM) -> None:
    ids = torch.arange(3, 16)
    hidden = llm(llm.embed(ids), POSITIONS, EDGES)
    assert hidden.shape == (13, llm.text_dim)
    assert llm.head.shape[1] == llm.text_dim


def test_packed_documents_equal_documents_alone(llm: LLM) -> None:
    """Fp32: only the order of sums within a matrix product differs."""
    ids = torch.arange(3, 16)
    packed = llm(llm.embed(ids), POSITIONS, EDGES)
    for start, stop in pairwise(EDGES.boundaries.tolist()):
        alone = llm(llm.embed(ids[start:stop]), torch.arange(stop - start), Edges.of([stop - start]))
        assert torch.allclose(packed[start:stop], alone, atol=1e-4)


def test_one_document_cannot_be_seen_from_another(llm: LLM) -> None:
    ids = torch.arange(3, 16)
    before = llm(llm.embed(ids), POSITIONS, EDGES)
    ids[5] = 99
    after = llm(llm.embed(ids), POSITIONS, EDGES)
    others = [place for place in range(13) if place != 5]
    assert torch.equal(before[others], after[others])
    assert not torch.equal(before[5], after[5])


def test_varlen_attention_equals_transformers_own(llm: LLM) -> None:
    ids = torch.arange(3, 16)
    ours = llm(llm.embed(ids), torch.arange(13), Edges.of([13])) @ llm.head.T
    if llm.logit_cap:
        ours = llm.logit_cap * (ours / llm.logit_cap).tanh()
    llm.network.set_attn_implementation("eager")
    theirs = llm.network(ids.unsqueeze(0)).logits.squeeze(0)
    assert torch.allclose(ours, theirs, atol=1e-3)


def test_answers_do_not_depend_on_the_rest_of_the_batch(llm: LLM) -> None:
    long, short = llm.embed(torch.arange(3, 16)), llm.embed(torch.arange(20, 24))
    padded = torch.stack([long, torch.cat([torch.zeros(9, llm.text_dim), short])])
    mask = torch.stack([torch.ones(13), torch.cat([torch.zeros(9), torch.ones(4)])]).long()
    together = llm.generate(padded, mask, Decoding(5), [0, 0])
    alone = llm.generate(short.unsqueeze(0), torch.ones(1, 4).long(), Decoding(5), [0])
    strip = lambda row: [token for token in row.tolist() if token != llm.tokenizer.pad_token_id]  # noqa: E731
    assert strip(together[1]) == strip(alone[0])


def test_generation_leaves_training_as_it_was(llm: LLM) -> None:
    ids = torch.arange(3, 16)
    before = llm(llm.embed(ids), POSITIONS, EDGES)
    llm.generate(llm.embed(ids).unsqueeze(0), torch.ones(1, 13).long(), Decoding(2), [0])
    assert torch.equal(llm(llm.embed(ids), POSITIONS, EDGES), before)
