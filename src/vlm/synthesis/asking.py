"""The words by which a verb asks an endpoint, and the asking."""

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vlm.endpoint.budget import Prices
    from vlm.endpoint.cache import Cache
    from vlm.endpoint.request import Request
    from vlm.synthesis.ask import Standing
    from vlm.synthesis.ledger import Ledger

REPLIES = "cache/replies"
OPENAI = "https://api.openai.com/v1"
SERVED = "vlm serve"
"""What a model of ours is known as in the hashes of requests, whatever its port is."""


@dataclass(frozen=True)
class Ours:
    """A model of ours, which is served for as long as it is asked.

    Args:
        name: That requests call it by; it says what was trained, so that replies can be kept by it.
        words: That name it to `vlm serve`.
    """

    name: str
    words: Sequence[str]


@dataclass
class EndpointOptions:
    """How an endpoint is asked, and what that may cost."""

    base_url: str = OPENAI
    api_key_variable: str | None = "OPENAI_API_KEY"
    timeout_s: float = 120.0
    max_retries: int = 8
    concurrency: int = 16
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    cache: str = REPLIES
    input_price: float = 0.0
    output_price: float = 0.0
    budget: float | None = None


def check_endpoint(options: EndpointOptions, max_tokens: int | None) -> None:
    """Hold the words to their limits and to each other.

    Args:
        options: The words.
        max_tokens: Of a reply.

    Raises:
        ValueError: They are beyond them, or do not go together.
    """
    for key, least in (("concurrency", 1), ("max_retries", 0)):
        if getattr(options, key) < least:
            raise ValueError(f"{key} must be at least {least}, got {getattr(options, key)}")
    if max_tokens is not None and max_tokens < 1:
        raise ValueError(f"max_tokens must be at least 1, got {max_tokens}")
    if options.timeout_s <= 0:
        raise ValueError(f"timeout_s must be above 0, got {options.timeout_s}")
    if options.budget is None:
        return
    budget = f"budget={options.budget}"
    if not (options.input_price or options.output_price):
        raise ValueError(f"{budget} needs input_price= and output_price=, of a million tokens")
    if max_tokens is None:
        raise ValueError(f"{budget} needs max_tokens=, as a reply without an end has no price")


def ask_missing(
    options: EndpointOptions,
    requests: Callable[[], Iterable["Request"]],
    ledger: "Ledger",
    cache: "Cache",
    ours: Ours | None = None,
) -> int:
    """Ask what has no reply yet; return an exit status if somebody stopped it, and else 0.

    Args:
        options: How.
        requests: Yields all, keyed by their hashes, each time anew.
        ledger: Is told of those that fail.
        cache: Of replies.
        ours: Is asked in place of what is at `base_url`.

    Raises:
        ValueError: The endpoint refuses all requests, or answers none any more.
    """
    from vlm.endpoint.budget import Prices  # noqa: PLC0415 (openai: two seconds)
    from vlm.endpoint.served import served  # noqa: PLC0415
    from vlm.synthesis.ask import take_stock  # noqa: PLC0415

    prices = Prices(options.input_price, options.output_price)
    standing = take_stock(requests(), ledger, cache, prices)
    if standing.total == standing.kept:
        return 0
    if standing.kept:
        print(f"{standing.kept} of {standing.total} replies are kept from earlier", flush=True)
    if ours is None:
        return _ask(options, requests(), ledger, standing, prices)
    print(f"serving {ours.name} to be asked", flush=True)
    with served(ours.words, ours.name, options.concurrency) as url:
        there = replace(options, base_url=url, api_key_variable=None)
        return _ask(there, requests(), ledger, standing, prices, SERVED)


def _ask(
    options: EndpointOptions,
    requests: Iterable["Request"],
    ledger: "Ledger",
    standing: "Standing",
    prices: "Prices",
    known_as: str | None = None,
) -> int:
    from vlm.endpoint.budget import Budget  # noqa: PLC0415 (openai: two seconds)
    from vlm.endpoint.client import Endpoint  # noqa: PLC0415
    from vlm.endpoint.pace import Pace  # noqa: PLC0415
    from vlm.synthesis.ask import ask_all  # noqa: PLC0415

    budget = Budget(prices, options.budget, standing.spent)
    endpoint = Endpoint(
        options.base_url, options.api_key_variable, options.timeout_s, options.max_retries,
        options.concurrency, options.cache,
        Pace(options.requests_per_minute, options.tokens_per_minute), budget, known_as,
    )  # fmt: skip
    result = ask_all(endpoint, requests, ledger, standing, _say)
    if budget.unsure:
        print(f"perhaps {budget.unsure:.4f} more was charged for tries that broke off")
    if result.signal:
        print(f"stopped; {result.replies} new replies are kept, and the same command goes on", flush=True)
        return 128 + result.signal
    if budget.is_exhausted:
        print(f"budget={options.budget} is spent ({budget.spent:.4f}); with a higher one it goes on")
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
