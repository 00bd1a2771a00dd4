"""What can go wrong at an endpoint, and whether asking again can help."""

import math
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from openai import APIConnectionError, APIError, APIStatusError

LONGEST_WAIT_S = 600.0
"""An endpoint that asks for more patience than this is asked again all the same."""

HOPELESS = (401, 403, 404)
"""What refuses one request so refuses all."""
PASSING = (408, 409, 425, 429)
"""Like 500 and above, worth another try."""


class TroubleError(Exception):
    """A request that got no reply.

    Args:
        message: In one line, why.
        passing: Whether another try may help.
        wait_s: How long the endpoint asks to wait before it.
        charged: Whether the endpoint may ask money for it all the same, as it began to answer, or may have.
    """

    def __init__(self, message: str, passing: bool, wait_s: float = 0.0, charged: bool = False) -> None:
        super().__init__(message)
        self.passing = passing
        self.wait_s = wait_s
        self.charged = charged


def explain(error: APIError, base_url: str, model: str, key_name: str | None) -> TroubleError:
    """Return what an error of the library means for one request.

    Args:
        error: What the library raised.
        base_url: The endpoint's.
        model: What was asked for.
        key_name: The environment variable that holds the key.

    Raises:
        ValueError: It means the same for every request: a wrong key, an unknown model, an empty account.
    """
    if isinstance(error, APIStatusError):
        status, code = error.status_code, getattr(error, "code", None)
        if status in HOPELESS or code == "insufficient_quota":
            raise ValueError(_hopeless(status, base_url, model, key_name)) from error
        body = error.body
        said = body.get("message", body) if isinstance(body, dict) else error.response.text
        passing = status in PASSING or status >= 500
        return TroubleError(
            f"status {status}: {one_line(str(said))}", passing, wait_of(error.response.headers)
        )
    cause = error.__cause__ or error
    kind = "no connection" if isinstance(error, APIConnectionError) else "no reply"
    never_began = type(cause).__name__ in ("ConnectError", "ConnectTimeout")  # of the library's own httpx
    message = f"{kind}: {one_line(str(cause)) or type(cause).__name__}"
    return TroubleError(message, passing=True, charged=not never_began)


def _hopeless(status: int, base_url: str, model: str, key_name: str | None) -> str:
    """Never quotes the endpoint, which may quote the key."""
    key = key_name or "a request without a key (api_key_variable=null)"
    if status == 404:
        return (
            f"{base_url} knows no model {model}, or no chat completions (404); say another model, or a "
            "base_url of an OpenAI-compatible endpoint, which most often ends in /v1"
        )
    if status == 429:
        return f"{base_url} says that the account of {key} is used up; fill it, or set another key"
    return f"{base_url} refuses {key} for model {model} ({status}); set a key that it accepts"


def wait_of(headers: Mapping[str, str]) -> float:
    """Return the seconds that `Retry-After` asks for, a number or a date; 0 if it asks nothing."""
    said = headers.get("retry-after", "")
    try:
        seconds = float(said)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(said).timestamp() - time.time()
        except ValueError:
            return 0.0
    return min(max(seconds, 0.0), LONGEST_WAIT_S) if math.isfinite(seconds) else 0.0


def one_line(text: str, longest: int = 200) -> str:
    """Return the text without line breaks, cut: an endpoint may send a whole page."""
    return " ".join(text.split())[:longest]
