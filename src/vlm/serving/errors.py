"""What a server says when it cannot answer: OpenAI's error objects, and the status that tells what to do."""

from collections.abc import Mapping

from fastapi.responses import JSONResponse

RETRY_AFTER = {"Retry-After": "1"}


class RequestError(Exception):
    """A request that is not answered, and why.

    Args:
        status: Of HTTP.
        message: For whoever asked.
        param: Which part of the request it is about.
        code: A word for programs.
        headers: Of the response.
    """

    def __init__(
        self,
        status: int,
        message: str,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code
        self.headers = dict(headers or {})

    def body(self) -> dict[str, dict[str, str | None]]:
        """Return OpenAI's error object."""
        kind = "server_error" if self.status >= 500 else _KINDS.get(self.status, "invalid_request_error")
        error = {"message": self.message, "type": kind, "param": self.param, "code": self.code}
        return {"error": error}

    def response(self) -> JSONResponse:
        """Return it as a response."""
        return JSONResponse(self.body(), self.status, self.headers)


_KINDS = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}


def full() -> RequestError:
    """The queue is full."""
    return RequestError(
        429, "too many requests wait; try again in a moment", code="queue_full", headers=RETRY_AFTER
    )


def closing() -> RequestError:
    """The server is being stopped."""
    return RequestError(503, "the server is stopping", code="shutting_down", headers=RETRY_AFTER)


def late(timeout_s: int | float) -> RequestError:
    """The answer was not there in time."""
    return RequestError(504, f"no answer within {timeout_s:g} s", code="timeout")
