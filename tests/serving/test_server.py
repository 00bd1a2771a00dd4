"""A server, asked by OpenAI's own client, and by clients that mean it no good."""

import http.client
import json
import socket
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest

from tests.serving.conftest import MOST, Running, Serving, data_url, message
from tests.serving.test_engine import until
from tests.serving.test_pictures import encoded, png_header
from vlm.data.sample import Prompt
from vlm.model.generate import Answerer


def post(url: str, body: bytes, **headers: str) -> tuple[int, dict[str, Any], dict[str, str]]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    connection.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json", **headers})
    response = connection.getresponse()
    found = json.loads(response.read())
    connection.close()
    return response.status, found, {name.lower(): value for name, value in response.getheaders()}


def body(*messages: dict[str, Any], model: str = "tiny", **more: Any) -> bytes:
    return json.dumps({"model": model, "messages": list(messages), **more}).encode()


def still_answers(server: Running, prompts: list[Prompt], alone: list[str]) -> None:
    said = server.client().chat.completions.create(model="tiny", messages=[message(prompts[0])])
    assert said.choices[0].message.content == alone[0]


def test_the_official_client_gets_the_models_own_answer(
    server: Running, prompts: list[Prompt], alone: list[str], answerer: Answerer
) -> None:
    client = server.client()
    assert [model.id for model in client.models.list()] == ["tiny"]
    assert client.models.retrieve("tiny").id == "tiny"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-9")
    said = client.chat.completions.create(model="tiny", messages=[message(prompts[3])])
    assert said.choices[0].message.content == alone[3]
    assert said.usage is not None
    assert said.usage.prompt_tokens == len(answerer.prepare_one(prompts[3], {}).ids)
    assert said.usage.total_tokens == said.usage.prompt_tokens + said.usage.completion_tokens
    assert said.choices[0].finish_reason == ("length" if said.usage.completion_tokens == MOST else "stop")
    cut = client.chat.completions.create(model="tiny", messages=[message(prompts[3])], max_tokens=2)
    assert cut.choices[0].finish_reason == "length"
    assert alone[3].startswith(cut.choices[0].message.content)


def test_a_stream_is_the_answer_in_pieces(server: Running, prompts: list[Prompt], alone: list[str]) -> None:
    chunks = list(
        server.client().chat.completions.create(
            model="tiny", messages=[message(prompts[5])], stream=True, stream_options={"include_usage": True}
        )
    )
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(pieces) == alone[5]
    assert len([piece for piece in pieces if piece]) > 1
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] in ("stop", "length")
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens > 1


def test_words_are_drawn_by_their_seed(server: Running, prompts: list[Prompt]) -> None:
    def ask(**how: Any) -> str | None:
        said = server.client().chat.completions.create(model="tiny", messages=[message(prompts[0])], **how)
        return said.choices[0].message.content

    assert ask(temperature=1.5, seed=1) == ask(temperature=1.5, seed=1)
    assert len({ask(temperature=1.5) for _ in range(4)}) > 1
    assert ask(temperature=0, top_p=0.5) == ask()


def test_turns_and_several_pictures_are_read(
    server: Running, prompts: list[Prompt], answerer: Answerer
) -> None:
    first = message(prompts[0])
    then = {
        "role": "user",
        "content": [*message(prompts[1])["content"][:1], {"type": "text", "text": "And here?"}],
    }
    earlier = [first, {"role": "assistant", "content": "red"}]
    said = server.client().chat.completions.create(model="tiny", messages=[*earlier, then])
    from vlm.data.sample import Turn

    turns = (Turn("human", prompts[0].text), Turn("gpt", "red"))
    prompt = Prompt("<image>\nAnd here?", prompts[0].images + prompts[1].images, earlier=turns)
    assert said.choices[0].message.content == answerer([prompt])[0]


PICTURE = encoded(40, 30)
HEAD = "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
BAD = {
    "no JSON": (b"{nonsense", 400, "invalid_json"),
    "unknown model": (body({"role": "user", "content": "a"}, model="gpt-9"), 404, "model_not_found"),
    "too long": (body({"role": "user", "content": "why? " * 5000}), 400, "context_length_exceeded"),
    "no place for system": (
        body({"role": "system", "content": "a"}, {"role": "user", "content": "b"}), 400, "invalid_value"
    ),
}  # fmt: skip
URLS = {
    "100 megapixels": (data_url(png_header(10_000, 10_000)), "image_too_large"),
    "bomb": (data_url(png_header(60_000, 60_000)), "image_too_large"),
    "truncated base64": (data_url(PICTURE)[:-3], "invalid_base64"),
    "truncated picture": (data_url(PICTURE[: len(PICTURE) // 2]), "invalid_image"),
    "little data": (data_url(png_header(100, 100)), "invalid_image"),
    "file": ("file:///etc/passwd", "invalid_image_url"),
    "path": ("/etc/passwd", "invalid_image_url"),
    "remote": ("http://127.0.0.1:1/a.png", "invalid_image_url"),
}


@pytest.mark.parametrize("case", [*BAD, *URLS])
def test_what_is_wrong_is_said_and_the_server_stays(
    case: str, server: Running, prompts: list[Prompt], alone: list[str]
) -> None:
    if case in BAD:
        sent, status, code = BAD[case]
    else:
        url, code = URLS[case]
        content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "a"}]
        sent, status = body({"role": "user", "content": content}), 400
    found, error, _ = post(server.url, sent)
    assert (found, error["error"]["code"]) == (status, code), error
    assert error["error"]["message"]
    still_answers(server, prompts, alone)


def test_other_paths_methods_and_kinds_are_refused_in_the_same_form(server: Running) -> None:
    client = server.client()
    for path, method, status in (("nothing", "get", 404), ("chat/completions", "get", 405)):
        with pytest.raises(openai.APIStatusError) as error:
            getattr(client, method)(path, cast_to=object)
        assert error.value.status_code == status
        assert error.value.body["message"]  # type: ignore[index]
    status, said, _ = post(server.url, b"model=tiny", **{"Content-Type": "text/plain"})
    assert (status, said["error"]["code"]) == (415, "unsupported_media_type")


def test_a_long_body_is_refused_before_it_is_read(
    serving: Serving, prompts: list[Prompt], alone: list[str]
) -> None:
    with serving(body_mib=0.5) as server:
        status, said, _ = post(server.url, b" " * 2_000_000)
        assert (status, said["error"]["code"]) == (413, "body_too_large")
        host, port = urlsplit(server.url).netloc.split(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(f"{HEAD}Content-Length: 900000000000\r\n\r\n".encode())
            assert b" 413 " in connection.recv(4096), "nothing of it has been sent"
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode())
            chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
            connection.sendall(chunk * 9)
            assert b" 413 " in connection.recv(4096)
        still_answers(server, prompts, alone)


def test_requests_need_the_key(serving: Serving, prompts: list[Prompt]) -> None:
    with serving(key="right") as server:
        for key in ("wrong", "righ", "rightt", "é"):
            status, said, _ = post(
                server.url,
                body(message(prompts[0])),
                Authorization=f"Bearer {key}".encode().decode("latin-1"),
            )
            assert (status, said["error"]["code"]) == (401, "invalid_api_key")
            assert "right" not in said["error"]["message"].split()
        with pytest.raises(openai.AuthenticationError):
            server.client().models.list()
        assert [model.id for model in server.client("right").models.list()] == ["tiny"]
        for open_to_all in ("/health", "/metrics", "/"):
            connection = http.client.HTTPConnection(urlsplit(server.url).netloc)
            connection.request("GET", open_to_all)
            assert connection.getresponse().status == 200


def test_health_and_metrics_say_what_was_done(
    server: Running, prompts: list[Prompt], alone: list[str]
) -> None:
    still_answers(server, prompts, alone)
    from urllib.request import urlopen

    assert json.load(urlopen(f"{server.url}/health")) == {"status": "ok"}
    text = urlopen(f"{server.url}/metrics").read().decode()
    from prometheus_client.parser import text_string_to_metric_families

    found = {
        sample.name: sample for family in text_string_to_metric_families(text) for sample in family.samples
    }
    assert {"vlm_running", "vlm_waiting", "vlm_completion_tokens_total", "vlm_request_seconds_count"} <= set(
        found
    )
    assert found["vlm_completion_tokens_total"].value > 0
    assert '{path="/v1/chat/completions",status="200"}' in text


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the server logged; other libraries may warn in the meantime."""
    return [record.getMessage() for record in caplog.records if record.name == "vlm.serving"]


def test_the_log_says_a_line_a_request_and_nothing_of_what_it_holds(
    server: Running, prompts: list[Prompt], alone: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "vlm.serving"):
        still_answers(server, prompts, alone)
        post(
            server.url,
            body({"role": "user", "content": "secret words"}, model="secret model"),
            Authorization="Bearer secret",
        )
        until(lambda: len(said(caplog)) > 1)  # a line is written when its response has gone
    lines = said(caplog)
    assert len(lines) == 2
    assert lines[0].startswith("POST /v1/chat/completions 200 ")
    assert "model=tiny" in lines[0]
    assert "pictures=1" in lines[0]
    assert "secret" not in "".join(lines)
