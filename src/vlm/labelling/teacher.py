"""Who is asked about pictures, and how."""

import base64
from dataclasses import dataclass, replace
from typing import Any

from vlm.endpoint.budget import Prices
from vlm.endpoint.cache import Cache
from vlm.endpoint.request import Messages, Parameters, Request
from vlm.labelling.questions import Pictures, Question


@dataclass(frozen=True)
class Teacher:
    """Who is asked, and how.

    Args:
        model: As the endpoint names it.
        known_as: The endpoint, in the hashes of requests.
        replies: To each question: the likeliest, and others that are drawn.
        temperature: Of those that are drawn.
        max_tokens: Of a reply.
        cache: Of replies.
        prices: Of tokens.

    Raises:
        ValueError: A value is outside its range.
    """

    model: str
    known_as: str
    replies: int
    temperature: float | int
    max_tokens: int
    cache: Cache
    prices: Prices

    def __post_init__(self) -> None:
        if self.replies < 1:
            raise ValueError(f"replies must be at least 1, got {self.replies}")
        if not 0 < self.temperature <= 2:
            raise ValueError(f"temperature must be above 0 and at most 2, got {self.temperature}")

    def requests(self, question: Question, pictures: Pictures) -> list[Request]:
        """Return what is sent to ask a question, keyed by hashes; each of them asks for one reply."""
        messages = _messages(question.asked, pictures)
        likeliest = Parameters(self.model, 0.0, self.max_tokens, seed=None, logprobs=True)
        drawn = [
            replace(likeliest, temperature=float(self.temperature), seed=seed)
            for seed in range(1, self.replies)
        ]
        asked = [Request("", messages, parameters) for parameters in (likeliest, *drawn)]
        return [replace(request, key=request.digest(self.known_as)) for request in asked]


def _messages(text: str, pictures: Pictures) -> Messages:
    parts: list[dict[str, Any]] = [
        {"type": "image_url", "image_url": {"url": _address(name, encoded)}}
        for name, encoded in pictures.items()
    ]
    return [{"role": "user", "content": [*parts, {"type": "text", "text": text}]}]


def _address(name: str, encoded: bytes) -> str:
    """Return a data URL; the type is by the last of a file's extensions."""
    kind = {"jpg": "jpeg"}.get(name.rpartition(".")[2].lower(), name.rpartition(".")[2].lower())
    return f"data:image/{kind};base64,{base64.b64encode(encoded).decode()}"
