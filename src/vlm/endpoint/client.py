"""Ask an endpoint many things at once, and lose none."""

import asyncio
import os
import random
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue

from anyio.from_thread import start_blocking_portal
from openai import APIError, AsyncOpenAI

from vlm.endpoint.budget import Budget, Prices, tokens_of
from vlm.endpoint.cache import Cache
from vlm.endpoint.pace import Pace
from vlm.endpoint.reply import Completion, GarbledError, Reply, read_completion
from vlm.endpoint.request import Request
from vlm.endpoint.trouble import TroubleError, explain

LONGEST_BACKOFF_S = 60.0
LOOK_AHEAD = 8
"""For each so many requests that are sent, one stands ready, so that none waits for the asker to draw it."""
_LOOK_EVERY_S = 0.2  # whether to stop, while nothing else is to be done
_NOT_SENT = "not sent: asked to stop, or nothing left to pay it with"


@dataclass
class _Desk:
    """What the requests of one asker share."""

    client: AsyncOpenAI
    slots: asyncio.Semaphore
    under_way: dict[str, Future[tuple[str, Reply]]] = field(default_factory=dict)
    arrived: SimpleQueue[Future[tuple[str, Reply]] | None] = field(default_factory=SimpleQueue)
    """None says only that there may be room for another."""
    resting: int = 0
    """Requests that wait before another try, in which others can be sent."""


class Endpoint:
    """A client of one OpenAI-compatible endpoint: OpenAI's own, vLLM, SGLang, Ollama and so on.

    What fails for a while (a limit of the rate, an error of the server, a cut connection, a time-out, a reply
    that is none) is sent again after a wait that doubles on average and is drawn anew each time, so that many
    requests do not come back at once. A wait that the endpoint asks for is kept. Meanwhile others are sent.

    Args:
        base_url: Up to and without `/chat/completions`.
        api_key_variable: The environment variable that holds the key; None if the endpoint wants none.
        timeout_s: For one try from first to last byte.
        max_retries: Tries after the first.
        concurrency: Requests that are sent at once. In memory are an eighth more, and as many again if so
            many wait for another try.
        cache: Folder of replies.
        pace: How fast requests are sent; None as fast as there is room.
        budget: What they may cost; None without an end.
        known_as: In the hashes of requests; None is by its `base_url`. A model that is served now at one port
            and now at another is the same one.

    Raises:
        ValueError: The variable is not set.
    """

    first_backoff_s = 1.0
    """The first wait is at most that long."""

    def __init__(
        self,
        base_url: str,
        api_key_variable: str | None,
        timeout_s: float | int,
        max_retries: int,
        concurrency: int,
        cache: str,
        pace: Pace | None = None,
        budget: Budget | None = None,
        known_as: str | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.known_as = known_as or self.base_url
        self.api_key_variable = api_key_variable
        self.timeout_s = timeout_s
        self.max_retries = max_retries
        self.concurrency = concurrency
        self.cache = Cache(Path(cache))
        self.pace = pace or Pace()
        self.budget = budget or Budget(Prices())
        self.is_stopping = False
        self._key = _key_of(api_key_variable, self.base_url)

    def stop(self) -> None:
        """Send nothing more; what is under way still arrives. May be called from a signal's handler."""
        self.is_stopping = True

    def ask(self, requests: Iterable[Request]) -> Iterator[Reply]:
        """Yield a reply to each request, in the order in which they arrive.

        Requests are drawn as there is room for them, and no more when the budget is spent or somebody says
        `stop`. What arrived is kept at once, even if the asker stops. A request that equals one under way
        waits for that one's reply.

        Raises:
            ValueError: The endpoint refuses the key, knows no such model, or is paid no longer.
        """
        with start_blocking_portal() as portal, portal.wrap_async_context_manager(self._connect()) as client:
            desk = _Desk(client, asyncio.Semaphore(self.concurrency))
            try:
                for request in requests:
                    digest = request.digest(self.known_as)
                    while digest in desk.under_way or not self._has_room(desk) or not desk.arrived.empty():
                        yield from self._take(desk)
                    if self.is_stopping or self.budget.is_exhausted:
                        break
                    kept = self.cache.get(digest)
                    if kept is not None:
                        yield Reply(request.key, kept, None, from_cache=True, attempts=0)
                        continue
                    future = portal.start_task_soon(self._answer, desk, request, digest)
                    desk.under_way[digest] = future
                    future.add_done_callback(desk.arrived.put)
                while desk.under_way:
                    yield from self._take(desk)
            finally:  # the asker has had enough, or a key is wrong: end them before their client closes
                for future in desk.under_way.values():
                    future.cancel()

    def _has_room(self, desk: _Desk) -> bool:
        ahead = self.concurrency // LOOK_AHEAD
        return len(desk.under_way) - min(desk.resting, self.concurrency) < self.concurrency + ahead

    def _take(self, desk: _Desk) -> Iterator[Reply]:
        """Wait until something happens; yield a reply if it is one."""
        future = desk.arrived.get()
        if future is not None:
            digest, reply = future.result()
            del desk.under_way[digest]
            yield reply

    def _connect(self) -> AsyncOpenAI:
        return AsyncOpenAI(
            base_url=self.base_url, api_key=self._key, max_retries=0, timeout=float(self.timeout_s)
        )

    async def _answer(self, desk: _Desk, request: Request, digest: str) -> tuple[str, Reply]:
        """Pay for a request what it takes, and at most what the budget allows."""
        sent, most = request.input_tokens, request.output_tokens
        ticket = await self.budget.hold(self.budget.prices.cost(sent, most))
        if ticket is None:
            return digest, Reply(request.key, None, _NOT_SENT, False, attempts=0)
        paid = 0.0
        try:
            reply = await self._try(desk, request, ticket)
            if reply.completion is not None:
                self.cache.put(digest, reply.completion)
                used = tokens_of(request, reply.completion)
                paid = self.budget.prices.cost(*used)
                self.pace.correct(sum(used) - sent - most)
        finally:
            self.budget.settle(ticket, paid)
        return digest, reply

    async def _try(self, desk: _Desk, request: Request, ticket: int) -> Reply:
        """Send a request until there is a reply or no hope."""
        tokens = request.input_tokens + request.output_tokens
        attempt, error, again = 0, _NOT_SENT, True
        await self._wait(self.pace.take(tokens))
        while again:
            async with desk.slots:
                if self.is_stopping:
                    break
                attempt += 1
                try:
                    return Reply(request.key, await self._send(desk.client, request), None, False, attempt)
                except TroubleError as trouble:
                    error, wait_s = self._clean(str(trouble)), trouble.wait_s
                    payable = not trouble.charged or self.budget.lose(ticket)
                    again = trouble.passing and payable and attempt <= self.max_retries
            if again:
                desk.resting += 1
                desk.arrived.put(None)
                await self._wait(max(wait_s + self._backoff(attempt), self.pace.take(tokens)))
                desk.resting -= 1
        return Reply(request.key, None, error, False, attempt)

    async def _wait(self, seconds: float) -> None:
        """Wait, but not if somebody says stop."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not self.is_stopping:
            await asyncio.sleep(min(left, _LOOK_EVERY_S))

    async def _send(self, client: AsyncOpenAI, request: Request) -> Completion:
        """Try once.

        Raises:
            TroubleError: There is no reply to this request.
            ValueError: There will be none to any.
        """
        try:
            async with asyncio.timeout(self.timeout_s):  # the library's own starts anew with each byte
                # as text: the library's models of requests and replies take twice the time of all the rest
                return read_completion(
                    await client.post("/chat/completions", cast_to=str, body=request.body())
                )
        except TimeoutError as error:
            raise TroubleError(f"no reply within {self.timeout_s} s", passing=True, charged=True) from error
        except GarbledError as error:
            raise TroubleError(str(error), passing=True, charged=True) from error
        except APIError as error:
            model = request.parameters.model
            raise explain(error, self.base_url, model, self.api_key_variable) from error

    def _backoff(self, attempt: int) -> float:
        longest = min(self.first_backoff_s * 2.0 ** (attempt - 1), LONGEST_BACKOFF_S)
        return random.uniform(0.0, longest)

    def _clean(self, message: str) -> str:
        """Endpoints quote the key in some of their errors."""
        return message.replace(self._key, "***") if self.api_key_variable else message


def _key_of(variable: str | None, base_url: str) -> str:
    if variable is None:
        return "none"  # the library insists on one
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ValueError(
            f"the environment variable {variable} is not set; put the key of {base_url} into it, or say "
            "api_key_variable=null if this endpoint wants none"
        )
    return key
