"""What clients say, as turns and pictures; and what they may not say."""

import json
from typing import Any

import pytest

from vlm.data.sample import Turn
from vlm.serving.conversation import read_messages
from vlm.serving.errors import RequestError
from vlm.serving.schema import ChatRequest, parse

PICTURE = {"type": "image_url", "image_url": {"url": "data:one"}}
OTHER = {"type": "image_url", "image_url": {"url": "data:two", "detail": "high"}}


def words(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


def request(*messages: tuple[str, Any], **more: Any) -> ChatRequest:
    said = [{"role": role, "content": content} for role, content in messages]
    return parse(ChatRequest, json.dumps({"model": "m", "messages": said, **more}).encode())


def test_pictures_stand_before_the_words_or_where_these_say() -> None:
    asked = request(
        ("system", "Be brief."), ("developer", "Be kind."),
        ("user", [words("Which is red?"), PICTURE, OTHER]), ("assistant", "the first"),
        ("user", [words("And <image>"), PICTURE, words("?")]),
    )  # fmt: skip
    found = read_messages(asked.messages)
    assert found.system == "Be brief.\nBe kind."
    first, second = "<image>\n<image>\nWhich is red?", "And <image>\n?"
    assert found.turns == (Turn("human", first), Turn("gpt", "the first"), Turn("human", second))
    assert found.addresses == ("data:one", "data:two", "data:one")
    assert found.question == found.turns


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([("assistant", "a")], "user and assistant in turn"),
        ([("user", "a"), ("user", "b")], "user and assistant in turn"),
        ([("user", "a"), ("assistant", "b")], "ending with user"),
        ([("system", "a")], "user and assistant in turn"),
        ([("user", "a"), ("system", "b"), ("user", "c")], "user and assistant in turn"),
        ([("user", "Look at <image>")], "once for each"),
        ([("user", [words("<image> <image>"), PICTURE])], "once for each"),
        ([("user", "a"), ("assistant", [PICTURE]), ("user", "b")], "only user messages"),
    ],
)
def test_messages_in_another_order_are_refused(messages: list[tuple[str, Any]], said: str) -> None:
    with pytest.raises(RequestError, match=said) as error:
        read_messages(request(*messages).messages)
    assert (error.value.status, error.value.param) == (400, "messages")


def test_what_has_no_effect_is_taken_and_what_would_have_one_is_refused() -> None:
    asked = request(
        ("user", "a"), n=1, user="x", metadata={}, logprobs=False, frequency_penalty=0.0, tools=None,
        response_format={"type": "text"}, stop=["a", "b"], max_completion_tokens=3, seed=1, top_p=1,
    )  # fmt: skip
    assert (asked.stops, asked.most_tokens) == (("a", "b"), 3)


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"n": 2}, "n"),
        ({"logprobs": 5}, "logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"top_logprobs": 2}, None),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"presence_penalty": 1}, "presence_penalty"),
        ({"unheard_of": 1}, "unheard_of"),
        ({"temperature": -1}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"stop": [""]}, None),
        ({"stop": ["a"] * 5}, None),
        ({"stream_options": {"include_usage": True}}, None),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"model": None}, "model"),
    ],
)
def test_what_cannot_be_done_is_named(more: dict[str, Any], param: str | None) -> None:
    with pytest.raises(RequestError) as error:
        request(("user", "a"), **more)
    assert error.value.status == 400
    assert error.value.param == param


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"model": "m"}'])
def test_what_is_no_request_is_refused(body: bytes) -> None:
    with pytest.raises(RequestError) as error:
        parse(ChatRequest, body)
    assert error.value.status == 400
    assert len(error.value.message) < 300
