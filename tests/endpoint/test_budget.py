"""Money is spent up to a limit, and never beyond it."""

from pathlib import Path

import pytest

from tests.endpoint.asking import endpoint, requests
from tests.endpoint.server import serving
from vlm.endpoint.budget import Budget, Prices, tokens_of
from vlm.endpoint.reply import Completion

A_TOKEN_EACH = Prices(0, 1_000_000)
"""A reply of the server costs 3; one may cost 9, by asking.py's max_tokens."""


def test_what_is_not_counted_is_estimated() -> None:
    (one,) = requests(1)
    assert tokens_of(one, Completion("x" * 30, "", "", 5, 0)) == (5, 0)
    assert tokens_of(one, Completion("x" * 30, "", "", 0, 0)) == (4, 10)
    assert Prices(3, 7).cost(1000, 100) == pytest.approx(0.0037)
    with pytest.raises(ValueError, match="prices must be at least 0"):
        Prices(-1, 0)


@pytest.mark.parametrize(("limit", "sent"), [(8.9, 0), (9, 1), (12, 2), (21, 5), (1000, 20)])
def test_nothing_is_sent_that_might_not_be_paid(limit: float, sent: int, tmp_path: Path) -> None:
    budget = Budget(A_TOKEN_EACH, limit)
    with serving(delay_s=0.005) as server:
        client = endpoint(server.url, tmp_path, api_key_variable=None, budget=budget, concurrency=8)
        replies = list(client.ask(requests(20)))
    assert sum(server.asked.values()) == sent
    assert budget.spent == 3 * sent <= limit
    assert budget.is_exhausted is (sent < 20)
    assert [reply.text is not None for reply in replies].count(True) == sent
    assert all(reply.attempts == 0 for reply in replies if reply.text is None)


def test_what_was_spent_before_counts(tmp_path: Path) -> None:
    with serving() as server:
        budget = Budget(A_TOKEN_EACH, 30, spent=20)
        client = endpoint(server.url, tmp_path, api_key_variable=None, budget=budget, concurrency=1)
        list(client.ask(requests(20)))
    assert budget.spent == 23
    assert sum(server.asked.values()) == 1


@pytest.mark.parametrize(("trouble", "unsure"), [("limited", 0), ("broken", 0), ("half", 9), ("garbage", 9)])
def test_a_try_that_broke_off_counts_as_paid(trouble: str, unsure: int, tmp_path: Path) -> None:
    budget = Budget(A_TOKEN_EACH, 100)
    with serving(lambda prompt, before: "well" if before else trouble) as server:
        list(endpoint(server.url, tmp_path, api_key_variable=None, budget=budget).ask(requests(1)))
    assert (budget.spent, budget.unsure) == (3, unsure)


def test_no_more_tries_than_can_be_paid(tmp_path: Path) -> None:
    budget = Budget(A_TOKEN_EACH, 30)
    with serving(lambda prompt, before: "garbage") as server:
        client = endpoint(server.url, tmp_path, api_key_variable=None, budget=budget, max_retries=9)
        (reply,) = client.ask(requests(1))
    assert (reply.text, reply.attempts) == (None, 3)
    assert budget.unsure == 27
