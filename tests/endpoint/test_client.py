"""Whatever an endpoint does, each request is accounted for."""

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.endpoint.asking import endpoint, request, requests
from tests.endpoint.server import serving
from vlm.endpoint.request import Request

KEY = "sk-secret"


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", KEY)


def test_a_reply_says_who_answered_and_what_it_took(tmp_path: Path) -> None:
    with serving() as server:
        (reply,) = endpoint(server.url + "/", tmp_path).ask([request("hello", key="k")])
    assert (reply.key, reply.text, reply.error) == ("k", "echo hello", None)
    assert (reply.from_cache, reply.attempts) == (False, 1)
    assert reply.completion is not None
    assert (reply.completion.served_model, reply.completion.finish_reason) == ("judge-0314", "stop")
    assert (reply.completion.input_tokens, reply.completion.output_tokens) == (11, 3)
    sent = {
        "model": "judge",
        "temperature": 0.2,
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "hello"}],
    }
    assert server.bodies == [sent]
    assert server.keys == {f"Bearer {KEY}"}


@pytest.mark.parametrize(
    "trouble", ["limited", "broken", "garbage", "page", "no_choices", "half", "nothing", "slow", "drip"]
)
def test_what_passes_is_tried_again(trouble: str, tmp_path: Path) -> None:
    def once(prompt: str, before: int) -> str:
        return "well" if before else trouble

    with serving(once) as server:
        (reply,) = endpoint(server.url, tmp_path, timeout_s=0.5).ask([request("hello")])
        assert (reply.text, reply.error, reply.attempts) == ("echo hello", None, 2)
        assert server.asked["hello"] == 2


@pytest.mark.parametrize(
    ("trouble", "why"),
    [
        ("limited", "status 429: .*slow down"),
        ("broken", "status 500: .*oh no"),
        ("garbage", "not JSON"),
        ("page", "not JSON"),
        ("no_choices", "without choices"),
        ("half", "no connection: .*"),
        ("nothing", "no connection: .*"),
        ("slow", "no reply within 0.3 s"),
        ("drip", "no reply within 0.3 s"),
    ],
)
def test_what_does_not_pass_comes_back_as_an_error_and_is_not_kept(
    trouble: str, why: str, tmp_path: Path
) -> None:
    patience = 0.3 if "0.3 s" in why else 10.0  # on a busy machine, too, all but the late ones come in time
    with serving(lambda prompt, before: trouble) as server:
        client = endpoint(server.url, tmp_path, timeout_s=patience, max_retries=1)
        (reply,) = client.ask([request("hello")])
        assert (reply.key, reply.text, reply.from_cache, reply.attempts) == ("hello", None, False, 2)
        assert reply.error is not None
        assert "\n" not in reply.error
        assert re.search(why, reply.error)
        assert server.asked["hello"] == 2
    with serving() as server:
        (reply,) = endpoint(server.url, tmp_path).ask([request("hello")])
        assert reply.text == "echo hello"
        assert not reply.from_cache


def test_a_refused_connection_comes_back_as_an_error(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    replies = list(endpoint(url, tmp_path, max_retries=1).ask(requests(10)))
    assert sorted(reply.key for reply in replies) == sorted(f"p{number}" for number in range(10))
    assert {(reply.text, reply.attempts) for reply in replies} == {(None, 2)}
    assert all("no connection" in str(reply.error) for reply in replies)


def test_a_request_that_is_wrong_by_itself_is_not_sent_again(tmp_path: Path) -> None:
    with serving(lambda prompt, before: "too_long" if prompt == "p1" else "well") as server:
        replies = {reply.key: reply for reply in endpoint(server.url, tmp_path).ask(requests(3))}
    assert (replies["p0"].text, replies["p2"].text) == ("echo p0", "echo p2")
    assert (replies["p1"].text, replies["p1"].attempts) == (None, 1)
    assert "too long for ***" in str(replies["p1"].error)
    assert KEY not in str(replies["p1"].error)


@pytest.mark.parametrize(
    ("trouble", "why"),
    [
        ("refused", r"refuses TEST_KEY for model judge \(401\); set"),
        ("unknown", r"knows no model judge, .*\(404\); say"),
        ("poor", "account of TEST_KEY is used up; fill it"),
    ],
)
def test_what_refuses_all_stops_at_once(trouble: str, why: str, tmp_path: Path) -> None:
    with serving(lambda prompt, before: trouble) as server:
        with pytest.raises(ValueError, match=why) as caught:
            list(endpoint(server.url, tmp_path).ask(requests(1000)))
        assert sum(server.asked.values()) < 20
    assert KEY not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_key_that_is_not_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"environment variable NO_SUCH is not set; .*api_key_variable=null"):
        endpoint("http://x/v1", tmp_path, api_key_variable="NO_SUCH")
    with serving() as server:
        (reply,) = endpoint(server.url, tmp_path, api_key_variable=None).ask([request("hello")])
    assert reply.text == "echo hello"


def test_nothing_is_lost_among_many_with_every_trouble(tmp_path: Path) -> None:
    troubles = ["well", "limited", "broken", "garbage", "half", "no_choices", "nothing", "page"]

    def mixed(prompt: str, before: int) -> str:
        return "well" if before >= 2 else troubles[(int(prompt[1:]) + before) % len(troubles)]

    with serving(mixed) as server:
        client = endpoint(server.url, tmp_path, concurrency=16)
        replies = list(client.ask(requests(200)))
        assert {reply.key: reply.text for reply in replies} == {f"p{i}": f"echo p{i}" for i in range(200)}
        assert {reply.key: reply.attempts for reply in replies} == server.asked
        assert 2 <= server.most <= 16
        before = sum(server.asked.values())
        assert all(reply.from_cache for reply in client.ask(requests(200)))
        assert sum(server.asked.values()) == before


def test_replies_come_as_they_arrive_and_requests_are_drawn_as_there_is_room(tmp_path: Path) -> None:
    drawn = 0

    def counted() -> Iterator[Request]:
        nonlocal drawn
        for one in requests(1000):
            drawn += 1
            yield one

    with serving(lambda prompt, before: "slow" if prompt == "p0" else "well") as server:
        replies = endpoint(server.url, tmp_path, concurrency=3).ask(counted())
        seen = [next(replies).key for _ in range(10)]
        assert "p0" not in seen
        assert drawn <= 10 + 3 + 1
        replies.close()
    assert server.most <= 3
