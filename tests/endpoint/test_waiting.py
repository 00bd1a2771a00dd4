"""How long a client waits before it asks again."""

import time
from email.utils import formatdate
from pathlib import Path

import pytest

from tests.endpoint.asking import endpoint, request
from tests.endpoint.server import serving
from vlm.endpoint.trouble import LONGEST_WAIT_S, wait_of


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", "sk-secret")


@pytest.mark.parametrize("dated", [False, True])
def test_the_wait_that_is_asked_for_is_kept(dated: bool, tmp_path: Path) -> None:
    retry_after = formatdate(time.time() + 2, usegmt=True) if dated else "0.7"
    with serving(
        lambda prompt, before: "well" if before else "limited_for", retry_after=retry_after
    ) as server:
        (reply,) = endpoint(server.url, tmp_path).ask([request("hello")])
    first, second = server.times["hello"]
    assert reply.text == "echo hello"
    assert 0.6 < second - first < 4


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("", 0), ("nonsense", 0), ("-3", 0), ("nan", 0), ("inf", 0), ("7", 7), ("90000", LONGEST_WAIT_S)],
)
def test_a_senseless_wait_is_not_kept(said: str, seconds: int) -> None:
    assert wait_of({"retry-after": said}) == seconds


def test_the_wait_doubles_and_is_drawn(tmp_path: Path) -> None:
    client = endpoint("http://x/v1", tmp_path)
    client.first_backoff_s = 1.0
    for attempt, longest in [(1, 1), (2, 2), (5, 16), (50, 60)]:
        drawn = [client._backoff(attempt) for _ in range(200)]
        assert 0 <= min(drawn) < longest / 4
        assert longest * 3 / 4 < max(drawn) <= longest
