"""Ask an endpoint many things at once, and lose none."""

import asyncio
import os
import random
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from pathlib import Path
from queue import SimpleQueue

from anyio.from_thread import start_blocking_portal
from openai import APIError, AsyncOpenAI

from vlm.endpoint.cache import Cache
from vlm.endpoint.reply import Completion, GarbledError, Reply, read_completion
from vlm.endpoint.request import Request
from vlm.endpoint.trouble import TroubleError, explain

LONGEST_BACKOFF_S = 60.0


class Endpoint:
    """A client of one OpenAI-compatible endpoint: OpenAI's own, vLLM, SGLang, Ollama and so on.

    What fails for a while (a limit of the rate, an error of the server, a cut connection, a time-out, a reply
    that is none) is sent again after a wait that doubles on average and is drawn anew each time, so that many
    requests do not come back at once. A wait that the endpoint asks for is kept.

    Args:
        base_url: Up to and without `/chat/completions`.
        api_key_variable: The environment variable that holds the key; None if the endpoint wants none.
        timeout_s: For one try from first to last byte.
        max_retries: Tries after the first.
        concurrency: Requests under way at once; no more than these are in memory.
        cache: Folder of replies.

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
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.api_key_variable = api_key_variable
        self.timeout_s = timeout_s
        self.max_retries = max_retries
        self.concurrency = concurrency
        self.cache = Cache(Path(cache))
        self._key = _key_of(api_key_variable, self.base_url)

    def ask(self, requests: Iterable[Request]) -> Iterator[Reply]:
        """Yield a reply to each request, in the order in which they arrive.

        Requests are drawn as there is room for them. What arrived is kept at once, even if the asker stops.
        A request that equals one under way waits for that one's reply.

        Raises:
            ValueError: The endpoint refuses the key, knows no such model, or is paid no longer.
        """
        under_way: dict[str, Future[tuple[str, Reply]]] = {}
        arrived: SimpleQueue[Future[tuple[str, Reply]]] = SimpleQueue()

        def take() -> Reply:
            digest, reply = arrived.get().result()
            del under_way[digest]
            return reply

        with start_blocking_portal() as portal, portal.wrap_async_context_manager(self._connect()) as client:
            try:
                for request in requests:
                    digest = request.digest(self.base_url)
                    while digest in under_way or len(under_way) >= self.concurrency or not arrived.empty():
                        yield take()
                    kept = self.cache.get(digest)
                    if kept is not None:
                        yield Reply(request.key, kept, None, from_cache=True, attempts=0)
                        continue
                    future = portal.start_task_soon(self._answer, client, request, digest)
                    under_way[digest] = future
                    future.add_done_callback(arrived.put)
                while under_way:
                    yield take()
            finally:  # the asker has had enough, or a key is wrong: end them before their client closes
                for future in under_way.values():
                    future.cancel()

    def _connect(self) -> AsyncOpenAI:
        return AsyncOpenAI(
            base_url=self.base_url, api_key=self._key, max_retries=0, timeout=float(self.timeout_s)
        )

    async def _answer(self, client: AsyncOpenAI, request: Request, digest: str) -> tuple[str, Reply]:
        """Send a request until there is a reply or no hope, and keep the reply."""
        attempt = 0
        while True:
            attempt += 1
            try:
                completion = await self._send(client, request)
            except TroubleError as trouble:
                if not trouble.passing or attempt > self.max_retries:
                    return digest, Reply(request.key, None, self._clean(str(trouble)), False, attempt)
                await asyncio.sleep(trouble.wait_s + self._backoff(attempt))
            else:
                self.cache.put(digest, completion)
                return digest, Reply(request.key, completion, None, False, attempt)

    async def _send(self, client: AsyncOpenAI, request: Request) -> Completion:
        """Try once.

        Raises:
            TroubleError: There is no reply to this request.
            ValueError: There will be none to any.
        """
        try:
            async with asyncio.timeout(self.timeout_s):  # the library's own starts anew with each byte
                raw = await client.chat.completions.with_raw_response.create(**request.body())
                return read_completion(raw.http_response.text)
        except TimeoutError as error:
            raise TroubleError(f"no reply within {self.timeout_s} s", passing=True) from error
        except GarbledError as error:
            raise TroubleError(str(error), passing=True) from error
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
