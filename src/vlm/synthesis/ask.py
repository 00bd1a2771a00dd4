"""Everything that has no reply yet is asked, while there is money and nobody says stop."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from vlm.endpoint.budget import Prices, tokens_of
from vlm.endpoint.cache import Cache
from vlm.endpoint.client import Endpoint
from vlm.endpoint.reply import Reply
from vlm.endpoint.request import Request
from vlm.progress import ProgressLine
from vlm.signals import hearing
from vlm.synthesis.ledger import Ledger

PATIENCE = 100
"""So many requests without a reply, one after the other, stop it all; or twice the concurrency, if more."""


@dataclass(frozen=True)
class Standing:
    """What is there before anything is asked.

    Args:
        total: Requests.
        kept: Of these, with replies from earlier.
        spent: Paid for those.
    """

    total: int
    kept: int
    spent: float


@dataclass
class Asked:
    """What came of asking.

    Args:
        replies: New ones.
        failed: Requests that have had none after all tries.
        signal: Number of the signal that stopped it; 0 if none did.
    """

    replies: int = 0
    failed: int = 0
    signal: int = 0


def take_stock(asked: Iterable[Request], ledger: Ledger, cache: Cache, prices: Prices) -> Standing:
    """Return what is there of the replies, and what they have cost.

    Args:
        asked: All requests, keyed by their hashes.
        ledger: Tells which are equal, and so paid for once.
        cache: Of replies.
        prices: Of tokens.
    """
    is_first = ledger.firsts()
    total = kept = 0
    spent = 0.0
    for request in asked:
        total += 1
        completion = cache.get(request.key)
        if completion is not None:
            kept += 1
            if is_first(request.key):
                spent += prices.cost(*tokens_of(request, completion))
    return Standing(total, kept, spent)


def ask_all(
    endpoint: Endpoint,
    asked: Iterable[Request],
    ledger: Ledger,
    standing: Standing,
    say: Callable[[str], None],
) -> Asked:
    """Ask what is not kept; a first signal lets what is under way arrive, a second one does not.

    Args:
        endpoint: With a budget that knows what has been spent.
        asked: All requests, keyed by their hashes.
        ledger: Is told of those that fail.
        standing: What is there.
        say: Is given a line when it is asked to stop.

    Raises:
        ValueError: The endpoint refuses all requests, or answers none any more.
    """
    result = Asked()

    def hear(number: int) -> None:
        if result.signal:
            raise KeyboardInterrupt
        result.signal = number
        endpoint.stop()
        say("stopping when what is under way, and paid for, has arrived; once more to stop at once")

    line = ProgressLine("asking", standing.total, standing.kept)
    try:
        with hearing(hear):
            _count(endpoint, endpoint.ask(asked), ledger, standing, result, line)
    finally:
        line.close()
    return result


def _count(
    endpoint: Endpoint,
    replies: Iterator[Reply],
    ledger: Ledger,
    standing: Standing,
    result: Asked,
    line: ProgressLine,
) -> None:
    in_a_row = from_cache = 0
    for reply in replies:
        if reply.completion is not None:
            from_cache += reply.from_cache
            result.replies += not reply.from_cache
            in_a_row = 0
        elif reply.attempts:
            ledger.fail(reply.key, str(reply.error))
            result.failed += 1
            in_a_row += 1
        if in_a_row >= max(PATIENCE, 2 * endpoint.concurrency):
            raise ValueError(
                f"{endpoint.base_url} has not answered {in_a_row} requests, one after the other; the last "
                f"error: {reply.error}; what it answered is kept, and the same command goes on from there"
            )
        done = max(standing.kept, from_cache) + result.replies + result.failed
        line.show(done, _figures(endpoint, standing.total - done, done, result.failed))


def _figures(endpoint: Endpoint, left: int, done: int, failed: int) -> str:
    """Say what it has cost, what the rest will, and what has failed."""
    budget = endpoint.budget
    parts = []
    if budget.prices != Prices():
        limit = "" if budget.limit is None else f" of {budget.limit:.2f}"
        parts.append(f"cost {budget.spent:.2f}{limit}, {budget.spent * left / max(1, done):.2f} to come")
    if failed:
        parts.append(f"{failed} failed")
    return ", ".join(parts)
