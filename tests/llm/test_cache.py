"""Rows that join and leave say what they would say alone."""

import pytest
import torch

from tests.conftest import Compose
from vlm.build import build_model
from vlm.llm.base import LLM
from vlm.llm.cache import join, select

ROWS = [torch.arange(3, 3 + length) for length in (9, 4, 6, 2)]


def alone(llm: LLM, ids: torch.Tensor) -> torch.Tensor:
    logits, _ = llm.begin(llm.embed(ids).unsqueeze(0), torch.ones(1, len(ids), dtype=torch.long))
    return logits[0]


def padded(llm: LLM, rows: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(map(len, rows))
    mask = torch.stack([(torch.arange(longest) >= longest - len(ids)).long() for ids in rows])
    ids = torch.stack([torch.nn.functional.pad(ids, (longest - len(ids), 0)) for ids in rows])
    return llm.embed(ids.flatten()).view(*ids.shape, -1), mask


@pytest.mark.parametrize(("choice", "window"), [("tiny_llama", None), ("mistral7b", 4), ("gemma2_2b", 4)])
def test_rows_come_and_go(choice: str, window: int | None, compose: Compose) -> None:
    torch.manual_seed(1)
    llm = build_model(compose(f"llm={choice}", "twin=true")).llm
    if window:
        llm.config.sliding_window = window
    llm.configure_model()
    llm.eval()
    logits, cache = llm.begin(*(first := padded(llm, ROWS[:2])))
    torch.testing.assert_close(
        logits, torch.stack([alone(llm, ids) for ids in ROWS[:2]]), atol=1e-4, rtol=1e-4
    )
    logits, other = llm.begin(*(second := padded(llm, ROWS[2:])))
    cache, mask = join(cache, first[1], other, second[1])
    words = torch.tensor([20, 21, 22, 23])

    def step(
        cache: object, mask: torch.Tensor, words: torch.Tensor, rows: list[torch.Tensor]
    ) -> torch.Tensor:
        mask = torch.cat([mask, torch.ones_like(mask[:, :1])], 1)
        found = llm.go_on(words, mask, cache)
        rows[:] = [torch.cat([ids, word[None]]) for ids, word in zip(rows, words, strict=True)]
        torch.testing.assert_close(
            found, torch.stack([alone(llm, ids) for ids in rows]), atol=1e-4, rtol=1e-4
        )
        return mask

    rows = list(ROWS)
    mask = step(cache, mask, words, rows)
    cache, mask = select(cache, mask, torch.tensor([1, 3]))
    assert mask.shape == (2, len(ROWS[1]) + 1), "columns that nobody uses are gone"
    rows = [rows[1], rows[3]]
    mask = step(cache, mask, words[:2], rows)
    step(cache, mask, words[2:], rows)
