"""A server that has too much to do, or whose clients go away, or that is asked to stop."""

import asyncio
import http.client
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest

from tests.serving.conftest import Running, Serving, message
from tests.serving.test_engine import until
from tests.serving.test_server import HEAD, body, post, still_answers
from vlm.data.sample import Prompt
from vlm.serving import gate


def endless(prompt: Prompt) -> dict[str, Any]:
    return {"model": "tiny", "messages": [message(prompt)], "max_tokens": 100_000}


def test_a_full_queue_says_when_to_come_back(
    serving: Serving, prompts: list[Prompt], alone: list[str]
) -> None:
    with serving(at_once=1, queue=1) as server:
        engine = server.service.models["tiny"].engine
        client = server.client()
        first = client.chat.completions.create(**endless(prompts[0]), stream=True)
        next(iter(first))
        second = threading.Thread(target=lambda: still_answers(server, prompts, alone))
        second.start()
        until(lambda: engine.num_waiting == 1)
        status, said, headers = post(server.url, body(message(prompts[2])))
        assert (status, said["error"]["code"]) == (429, "queue_full")
        assert int(headers["retry-after"]) >= 1
        first.close()  # who goes away makes room
        second.join(30)
        assert not second.is_alive()


def test_who_goes_away_is_answered_no_further(
    serving: Serving, prompts: list[Prompt], alone: list[str]
) -> None:
    with serving(at_once=2) as server:
        engine = server.service.models["tiny"].engine
        netloc = urlsplit(server.url).netloc
        for streams in (True, False):
            connection = http.client.HTTPConnection(netloc)
            sent = json.dumps({**endless(prompts[0]), "stream": streams})
            connection.request("POST", "/v1/chat/completions", sent, {"Content-Type": "application/json"})
            until(lambda: engine.num_running == 1)
            assert connection.sock is not None
            connection.sock.close()
            connection.close()
            until(lambda: engine.num_running == 0)
        host, port = netloc.split(":")
        with socket.create_connection((host, int(port))) as half:  # in the middle of its body
            half.sendall(f"{HEAD}Content-Length: 100\r\n\r\n{{".encode())
        until(lambda: server.service.num_open == 0)
        still_answers(server, prompts, alone)


def test_what_takes_too_long_is_given_up(serving: Serving, prompts: list[Prompt]) -> None:
    with serving(timeout_s=0.3) as server:
        status, said, _ = post(server.url, json.dumps(endless(prompts[0])).encode())
        assert (status, said["error"]["code"]) == (504, "timeout")
        with pytest.raises(openai.APIError, match=r"no answer within 0.3 s"):
            list(server.client().chat.completions.create(**endless(prompts[0]), stream=True))


def test_a_client_that_does_not_read_is_not_waited_for_for_ever(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "GRACE_S", 0.05)
    monkeypatch.setattr(server.service.settings, "timeout_s", 0.05)

    async def blocks(*given: object) -> None:
        await asyncio.Event().wait()

    before = server.service.num_open
    scope = {"type": "http", "method": "POST", "path": "/"}
    asyncio.run(gate.Door(blocks, server.service)(scope, None, None))  # type: ignore[arg-type]
    assert server.service.num_open == before


def test_a_server_that_is_stopped_ends_what_it_has_begun(
    serving: Serving, prompts: list[Prompt], alone: list[str]
) -> None:
    """And refuses what is new, and gives up what takes too long, with an error that says so."""
    with ThreadPoolExecutor(4) as pool, serving(at_once=4, shutdown_s=2.0) as server:
        engine = server.service.models["tiny"].engine
        long = server.client().chat.completions.create(**endless(prompts[0]), stream=True)
        next(iter(long))

        def ends() -> str | None:
            said = server.client().chat.completions.create(
                model="tiny", messages=[message(prompts[1])], max_tokens=40
            )
            return said.choices[0].message.content

        answers = [pool.submit(ends) for _ in range(3)]
        until(lambda: engine.num_running == 4)
        broken = pool.submit(lambda: list(long))

        def refused() -> tuple[int, str]:
            until(lambda: server.service.is_closing)
            status, said, headers = post(server.url, body(message(prompts[2])))
            assert "retry-after" in headers
            return status, said["error"]["code"]

        late = ThreadPoolExecutor(1).submit(refused)
        started = time.monotonic()
    assert time.monotonic() - started < 20
    texts = {answer.result() for answer in answers}
    assert len(texts) == 1
    assert texts.pop().startswith(alone[1])  # type: ignore[union-attr]
    with pytest.raises(openai.APIError, match="stopping"):
        broken.result()
    assert late.result() == (503, "shutting_down")
