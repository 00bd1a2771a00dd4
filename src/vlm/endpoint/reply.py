"""What an endpoint answers."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


class GarbledError(Exception):
    """An endpoint said that all is well, and sent something that is no reply."""


@dataclass(frozen=True)
class Completion:
    """What a model said.

    Args:
        text: Empty if it said nothing.
        served_model: The version that answered, as the endpoint names it; empty if it does not say.
        finish_reason: `stop`, or `length` if it was cut; empty if the endpoint does not say.
        input_tokens: Counted by the endpoint; 0 if it does not count.
        output_tokens: Likewise.
        created: Unix time by the endpoint's clock; 0 if it does not say, or of what was kept before this was.
        mean_logprob: Natural logarithm of the probability of a token, on average; None if that was not asked
            for, or the endpoint does not say.
    """

    text: str
    served_model: str
    finish_reason: str
    input_tokens: int
    output_tokens: int
    created: int = 0
    mean_logprob: float | None = None

    @property
    def date(self) -> str:
        """When it was made, in UTC; empty if nobody knows."""
        return datetime.fromtimestamp(self.created, UTC).isoformat() if self.created else ""


@dataclass(frozen=True)
class Reply:
    """What became of a request.

    Args:
        key: The request's.
        completion: None if there is none after all retries.
        error: In one line, why there is none.
        from_cache: Whether it was kept from earlier and nothing was sent.
        attempts: How often it was sent; 0 if it was kept, or if nothing is sent any more.
    """

    key: str
    completion: Completion | None
    error: str | None
    from_cache: bool
    attempts: int

    @property
    def text(self) -> str | None:
        """What the model said; None if there is no reply."""
        return self.completion.text if self.completion else None


def read_completion(body: str) -> Completion:
    """Read a chat completion; a refusal is a text, too.

    Raises:
        GarbledError: It is none.
    """
    try:
        record = json.loads(body)
    except ValueError as error:
        raise GarbledError("a reply that is not JSON") from error
    match record:
        case {"choices": [{"message": {"content": str(text)}, **choice}, *_]}:
            pass
        case {"choices": [{"message": {"content": None, **message}, **choice}, *_]}:
            text = str(message.get("refusal") or "")
        case _:
            raise GarbledError("a reply without choices[0].message.content")
    usage = record.get("usage")
    return Completion(
        text,
        str(record.get("model") or ""),
        str(choice.get("finish_reason") or ""),
        _count(usage, "prompt_tokens"),
        _count(usage, "completion_tokens"),
        _count(record, "created"),
        _mean_logprob(choice.get("logprobs")),
    )


def _count(counted: Any, name: str) -> int:
    found = counted.get(name) if isinstance(counted, dict) else None
    return found if isinstance(found, int) else 0


def _mean_logprob(said: Any) -> float | None:
    match said:
        case {"content": [*tokens]} if tokens:
            found = [token.get("logprob") for token in tokens if isinstance(token, dict)]
            numbers = [float(number) for number in found if isinstance(number, int | float)]
            return sum(numbers) / len(numbers) if len(numbers) == len(tokens) else None
    return None
