"""What is a completion, and what only says so."""

import json
from typing import Any

import pytest

from vlm.endpoint.reply import GarbledError, read_completion


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": "yes"}, "yes"),
        ({"content": ""}, ""),
        ({"content": None}, ""),
        ({"content": None, "refusal": "I will not"}, "I will not"),
    ],
)
def test_a_refusal_is_a_text(message: dict[str, Any], text: str) -> None:
    found = read_completion(json.dumps({"choices": [{"message": message}]}))
    assert (found.text, found.served_model, found.finish_reason) == (text, "", "")
    assert (found.input_tokens, found.output_tokens) == (0, 0)


@pytest.mark.parametrize(
    "body",
    ["", "null", "[]", '"x"', '{"choices": null}', '{"choices": [1]}', '{"choices": [{"message": {}}]}'],
)
def test_what_is_no_completion_is_garbled(body: str) -> None:
    with pytest.raises(GarbledError):
        read_completion(body)


@pytest.mark.parametrize(
    ("logprobs", "mean"),
    [
        ({"content": [{"token": "a", "logprob": -1.0}, {"token": "b", "logprob": -0.5}]}, -0.75),
        ({"content": [{"token": "a", "logprob": 0}]}, 0.0),
        ({"content": []}, None),
        ({"content": None}, None),
        ({"content": [{"token": "a"}]}, None),
        (None, None),
    ],
)
def test_how_likely_tokens_were_is_told_by_their_mean(logprobs: Any, mean: float | None) -> None:
    choice = {"message": {"content": "ab"}, "logprobs": logprobs}
    assert read_completion(json.dumps({"choices": [choice]})).mean_logprob == mean
