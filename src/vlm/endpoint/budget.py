"""What asking costs, and how much it may."""

import asyncio
from dataclasses import dataclass
from itertools import count

from vlm.endpoint.reply import Completion
from vlm.endpoint.request import BYTES_PER_TOKEN, Request

MILLION = 1_000_000


@dataclass(frozen=True)
class Prices:
    """Money for a million tokens, in whatever currency.

    Args:
        input: Of what is sent.
        output: Of what comes.

    Raises:
        ValueError: One is below 0.
    """

    input: float | int = 0.0
    output: float | int = 0.0

    def __post_init__(self) -> None:
        if min(self.input, self.output) < 0:
            raise ValueError(f"prices must be at least 0, got {self.input} and {self.output}")

    def cost(self, input_tokens: int, output_tokens: int) -> float:
        """Return the price of a reply."""
        return (input_tokens * self.input + output_tokens * self.output) / MILLION


def tokens_of(request: Request, completion: Completion) -> tuple[int, int]:
    """Return what was sent and what came, as the endpoint counts it; if it does not, about how much."""
    if completion.input_tokens or completion.output_tokens:
        return completion.input_tokens, completion.output_tokens
    return request.input_tokens, len(completion.text.encode()) // BYTES_PER_TOKEN


class Budget:
    """Money for requests: one is sent only if all that are under way can be paid, each at its most.

    Args:
        prices: Of tokens.
        limit: Money that may be spent; None for no limit.
        spent: Of it, before.

    Attributes:
        spent: Paid for replies.
        unsure: Perhaps paid for tries that broke off, each at its most; the limit counts it as spent.
        is_exhausted: Whether a request could not be paid any more; from then on none is.
    """

    def __init__(self, prices: Prices, limit: float | int | None = None, spent: float | int = 0.0) -> None:
        self.prices, self.limit, self.spent = prices, limit, spent
        self.unsure = 0.0
        self.is_exhausted = False
        self._tickets = count()
        self._held: dict[int, float] = {}
        self._waiting: list[asyncio.Event] = []

    async def hold(self, most: float) -> int | None:
        """Set money aside, if need be when others have given back what they did not use.

        Returns:
            A ticket to settle with; None if there is not enough.
        """
        while not self.is_exhausted and not self._allows(most):
            if self._held:
                freed = asyncio.Event()
                self._waiting.append(freed)
                await freed.wait()
            else:
                self.is_exhausted = True
        if self.is_exhausted:
            return None
        ticket = next(self._tickets)
        self._held[ticket] = most
        return ticket

    def settle(self, ticket: int, paid: float) -> None:
        """Pay, and give the rest back."""
        del self._held[ticket]
        self.spent += paid
        for freed in self._waiting:
            freed.set()
        self._waiting.clear()

    def lose(self, ticket: int) -> bool:
        """Count what is held as perhaps paid, as a try broke off; return whether another can be paid."""
        self.unsure += self._held[ticket]
        return self._allows(0.0)

    def _allows(self, more: float) -> bool:
        return self.limit is None or self.spent + self.unsure + sum(self._held.values()) + more <= self.limit
