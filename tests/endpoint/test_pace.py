"""How fast is fast enough."""

import time
from pathlib import Path

import pytest

from tests.endpoint.asking import endpoint, request, requests
from tests.endpoint.server import serving
from vlm.endpoint.pace import Pace, Rate


def test_a_rate_spreads_what_comes_at_once() -> None:
    rate = Rate(60)
    assert [rate.take(1, now=100.0) for _ in range(4)] == pytest.approx([0, 0, 1, 2])
    assert rate.take(1, now=103.0) == 0
    assert rate.take(10, now=200.0) == 0
    assert rate.take(1, now=200.0) == pytest.approx(9)
    rate.take(-5, now=200.0)
    assert rate.take(1, now=200.0) == pytest.approx(5)
    assert Rate(None).take(1000, now=0.0) == 0


@pytest.mark.parametrize("limits", [(0, None), (None, -1)])
def test_a_limit_is_above_nothing(limits: tuple[int | None, int | None]) -> None:
    with pytest.raises(ValueError, match="_per_minute must be above 0"):
        Pace(*limits)


def test_requests_a_minute_are_kept(tmp_path: Path) -> None:
    with serving() as server:
        started = time.monotonic()
        client = endpoint(server.url, tmp_path, api_key_variable=None, pace=Pace(requests_per_minute=1200))
        assert len(list(client.ask(requests(40)))) == 40
        elapsed = time.monotonic() - started
    assert 0.9 < elapsed < 4  # the first second's twenty at once, the others 50 ms apart


def test_tokens_a_minute_are_those_that_were_used(tmp_path: Path) -> None:
    """Each may take 10,004 tokens and takes 14; at 600,000 a minute that is a second."""
    with serving(delay_s=0.1) as server:
        pace = Pace(tokens_per_minute=600_000)
        client = endpoint(server.url, tmp_path, api_key_variable=None, pace=pace, concurrency=1)
        started = time.monotonic()
        asked = (request(f"p{number}", max_tokens=10_000) for number in range(10))
        assert len(list(client.ask(asked))) == 10
        assert time.monotonic() - started < 3
        together = endpoint(
            server.url, tmp_path, api_key_variable=None, pace=Pace(None, 600_000), concurrency=3
        )
        started = time.monotonic()
        assert len(list(together.ask(request(f"q{number}", max_tokens=10_000) for number in range(3)))) == 3
        assert time.monotonic() - started > 0.9
