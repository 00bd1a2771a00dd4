"""What is asked in tests, and by whom."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vlm.endpoint.client import Endpoint
from vlm.endpoint.request import Parameters, Request


def endpoint(url: str, cache: Path, **changes: Any) -> Endpoint:
    """One that waits for next to nothing."""
    settings = {"api_key_variable": "TEST_KEY", "timeout_s": 20, "max_retries": 3, "concurrency": 4}
    client = Endpoint(base_url=url, cache=str(cache), **settings | changes)
    client.first_backoff_s = 0.01
    return client


def request(prompt: str, key: str | None = None, **changes: Any) -> Request:
    parameters = {"model": "judge", "temperature": 0.2, "max_tokens": 9, "seed": None} | changes
    return Request(key or prompt, ({"role": "user", "content": prompt},), Parameters(**parameters))


def requests(number: int) -> Iterator[Request]:
    return (request(f"p{index}") for index in range(number))
