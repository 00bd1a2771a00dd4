"""How fast an endpoint may be asked."""

import time
from dataclasses import dataclass

MINUTE_S = 60.0
BURST_S = 1.0
"""What was not used of the last second may be used at once."""


@dataclass
class Rate:
    """So many units a minute, evenly.

    Args:
        per_minute: At most; None for as many as come.
    """

    per_minute: float | int | None
    _next: float = 0.0

    def take(self, amount: float | int, now: float) -> float:
        """Use up units; return the seconds to wait before they may be used.

        Args:
            amount: Of units; less than 0 gives back.
            now: Seconds of a clock that never goes back.
        """
        if self.per_minute is None:
            return 0.0
        begin = max(self._next, now - BURST_S)
        self._next = begin + amount * MINUTE_S / self.per_minute
        return max(0.0, begin - now)


class Pace:
    """Requests and tokens a minute.

    A request counts at what it may take at most, until its reply says what it took.

    Args:
        requests_per_minute: Tries, that is; None for no limit.
        tokens_per_minute: Of input and output; None for no limit.

    Raises:
        ValueError: A limit is not above 0.
    """

    def __init__(
        self, requests_per_minute: float | int | None = None, tokens_per_minute: float | int | None = None
    ) -> None:
        for name, limit in (
            ("requests_per_minute", requests_per_minute), ("tokens_per_minute", tokens_per_minute),
        ):  # fmt: skip
            if limit is not None and limit <= 0:
                raise ValueError(f"{name} must be above 0, or null for no limit; got {limit}")
        self._requests, self._tokens = Rate(requests_per_minute), Rate(tokens_per_minute)

    def take(self, tokens: int) -> float:
        """Use up a request of so many tokens; return the seconds to wait before it is sent."""
        now = time.monotonic()
        return max(self._requests.take(1, now), self._tokens.take(tokens, now))

    def correct(self, tokens: int) -> None:
        """Use up more tokens than was taken for a request, or with less than 0 give some back."""
        self._tokens.take(tokens, time.monotonic())
