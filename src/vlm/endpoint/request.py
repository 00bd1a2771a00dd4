"""What an endpoint is asked."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

BYTES_PER_TOKEN = 3
"""Before an endpoint has counted."""
TOKENS_PER_PICTURE = 1000
"""Likewise, and in most cases too many."""

Messages = Sequence[Mapping[str, Any]]
"""A conversation in OpenAI's form: `{"role": "user", "content": "..."}`, and so on; content may be a list of
parts, texts and pictures."""


@dataclass(frozen=True)
class Parameters:
    """How a reply is made; what is None is left to the endpoint.

    Args:
        model: As the endpoint names it.
        temperature: Of the sampling; 0 is greedy.
        max_tokens: A reply is cut there.
        seed: Of the sampling, where the endpoint heeds it; requests that differ in it are not the same one.
        logprobs: Whether to say how likely each token was.
    """

    model: str
    temperature: float | int | None
    max_tokens: int | None
    seed: int | None
    logprobs: bool | None = None


@dataclass(frozen=True)
class Request:
    """One thing to ask.

    Args:
        key: The asker's own name for it; it is not sent.
        messages: What is said before the reply.
        parameters: How the reply is made.
    """

    key: str
    messages: Messages
    parameters: Parameters

    def body(self) -> dict[str, Any]:
        """Return what is sent."""
        stated = {name: value for name, value in asdict(self.parameters).items() if value is not None}
        return stated | {"messages": [dict(message) for message in self.messages]}

    @property
    def input_tokens(self) -> int:
        """About how many tokens are sent, rather more than fewer: English has over four bytes a token."""
        return sum(_tokens(message["content"]) + 4 for message in self.messages)

    @property
    def output_tokens(self) -> int:
        """How many may come at most; 0 if that is left to the endpoint."""
        return self.parameters.max_tokens or 0

    def digest(self, base_url: str) -> str:
        """Return a hash of all that decides the reply: the endpoint, and what is sent."""
        return hash_of([base_url, self.body()])


def _tokens(content: Any) -> int:
    if isinstance(content, str):
        return len(content.encode()) // BYTES_PER_TOKEN
    return sum(_tokens(part["text"]) if part["type"] == "text" else TOKENS_PER_PICTURE for part in content)


def hash_of(plain: Any) -> str:
    """Return a hash of plain lists, dicts, texts and numbers, whatever the order of keys."""
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
