"""A request from its body to its answer, whatever happens in between."""

import asyncio
import logging
import os
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from typing import Any, TypeVar

from fastapi import Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.requests import ClientDisconnect

from vlm.data.sample import Prompt
from vlm.model.generate import Answerer, ContextError, PreparedPrompt
from vlm.serving.completions import Completion
from vlm.serving.conversation import Conversation, place_system, prepare, prompt_of, read_messages, too_long
from vlm.serving.errors import RequestError, closing, full, late
from vlm.serving.listener import Listener
from vlm.serving.measures import Measures
from vlm.serving.patches import look
from vlm.serving.pictures import PictureLimits, read_data_url, refuse
from vlm.serving.remote import RemotePictures
from vlm.serving.schema import ChatRequest, Kind, Talk, parse
from vlm.serving.served import Served
from vlm.serving.settings import Settings
from vlm.serving.ticket import Asked, ClosedError, FullError, LateError, Said, Ticket

Result = TypeVar("Result")
LOG = logging.getLogger("vlm.serving")


class Service:
    """Answers requests.

    Args:
        models: That are served.
        settings: What is taken, and how long is waited.
    """

    def __init__(self, models: Sequence[Served], settings: Settings) -> None:
        self.models = {model.name: model for model in models}
        self.settings = settings
        self.measures = Measures(models)
        self.is_closing = False
        self.num_open = 0
        self.most_open = len(models) * (settings.at_once + settings.queue)
        self._limits = PictureLimits(settings.picture_mib, settings.megapixels)
        self._remote = RemotePictures(self._limits, settings.picture_timeout_s)
        self._pool = ThreadPoolExecutor(os.cpu_count(), "prepare")

    async def complete(self, request: Request) -> Response:
        """Answer a chat completion, whole or as a stream.

        Raises:
            RequestError: It is not answered.
        """
        started = time.monotonic()
        model, question, says_usage = await self._question(request, started + self.settings.timeout_s)
        pieces = self._answer(request, model, question)
        first = await anext(pieces)  # what goes wrong up to here has a status of its own
        completion = Completion(model.name, model.spelling, len(question.prompt.ids), says_usage)
        if question.streams:
            self.measures.first_token.labels(model.name).observe(time.monotonic() - started)
            headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
            stream = completion.stream(_after(first, pieces))
            return StreamingResponse(stream, media_type="text/event-stream", headers=headers)
        await pieces.aclose()
        completion.num_tokens = first.num_tokens
        return JSONResponse(completion.whole(first.text, first))

    async def _question(self, request: Request, deadline: float) -> tuple[Served, Asked, bool]:
        """Return whom to ask what, and whether to say how many tokens it took.

        What the request holds besides is not kept: it may be large.
        """
        asked, model = await self._read(request, ChatRequest)
        conversation = read_messages(asked.messages)
        seed = secrets.randbits(62) if asked.seed is None else asked.seed
        prepared = (await self._prepare(model, conversation, seed))[-1]
        decoding = model.decoding_of(asked)
        question = Asked(prepared, decoding, deadline, bool(asked.stream), asked.likeliest)
        return model, question, bool(asked.stream_options and asked.stream_options.include_usage)

    async def look(self, request: Request) -> Response:
        """Say where on its pictures an answer looked, which is the last message.

        Raises:
            RequestError: It is not answered.
        """
        asked, model = await self._read(request, Talk)
        conversation = read_messages(asked.messages, answered=True)
        answerer, prompt, prepared = await self._prepare(model, conversation, seed=0)
        task = partial(look, answerer, prompt, prepared, conversation.turns[-1].text)
        try:
            maps = await self._in_time(asyncio.wrap_future(model.engine.do(task)))
        except (FullError, ClosedError) as error:
            raise self._explain(error) from error
        except ContextError as error:
            raise too_long(error) from error
        except ValueError as error:
            raise RequestError(400, str(error), "messages", "invalid_value") from error
        pictures = [asdict(picture) for picture in maps]
        return JSONResponse({"object": "attention", "model": model.name, "pictures": pictures})

    def model(self, name: str) -> Served:
        """Return a model.

        Raises:
            RequestError: There is none of that name.
        """
        if name not in self.models:
            raise RequestError(404, "no such model; GET /v1/models lists all", "model", "model_not_found")
        return self.models[name]

    def close(self) -> None:
        """End what is under way, and take nothing more."""
        self.is_closing = True
        for model in self.models.values():
            model.engine.close()
        self._pool.shutdown(cancel_futures=True)

    async def _read(self, request: Request, kind: type[Kind]) -> tuple[Kind, Served]:
        """Return what a request says, and of which model.

        Raises:
            RequestError: It cannot be read, or the model is none of ours.
        """
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise RequestError(415, "the body must be application/json", code="unsupported_media_type")
        asked = parse(kind, await self._in_time(_body(request)))
        model = self.model(asked.model)
        request.state.facts["model"] = model.name
        return asked, model

    async def _prepare(
        self, model: Served, conversation: Conversation, seed: int
    ) -> tuple[Answerer, Prompt, PreparedPrompt]:
        """Return a conversation as a prompt, in tokens and pictures, and who answers it."""
        answerer = place_system(model.answerer, conversation.system)
        if len(conversation.addresses) > self.settings.pictures:
            raise refuse(
                f"{len(conversation.addresses)} pictures are too many; the limit is {self.settings.pictures}",
                "too_many_images",
            )
        images = [await self._in_time(self._fetch(address)) for address in conversation.addresses]
        prompt = prompt_of(conversation, images, seed)
        prepared = await self._in_time(self._aside(prepare, answerer, prompt, self._limits))
        return answerer, prompt, prepared

    async def _fetch(self, address: str) -> bytes:
        """Return a picture's file."""
        scheme = address.partition(":")[0].lower()
        if scheme == "data":
            return await self._aside(read_data_url, address, self._limits)
        if scheme in ("http", "https") and self.settings.remote_pictures:
            return await self._remote.fetch(address)
        raise refuse(
            "pictures must be data URLs: this server fetches none from other addresses", "invalid_image_url"
        )

    async def _answer(self, request: Request, model: Served, question: Asked) -> AsyncGenerator[Said, None]:
        """Yield the pieces of an answer; when the client goes away, its place is free."""
        listener, facts = Listener(), request.state.facts
        try:
            ticket = model.engine.ask(question, listener.hear)
        except (FullError, ClosedError) as error:
            raise self._explain(error) from error
        watch = asyncio.create_task(_watch(request, ticket, listener))
        facts |= {"pictures": len(question.prompt.images), "prompt_tokens": len(question.prompt.ids)}
        num_tokens = 0
        try:
            async for said in listener:
                if said.error:
                    raise self._explain(said.error) from said.error
                num_tokens = said.num_tokens
                if said.finish:
                    facts["finish"] = said.finish.value
                yield said
        finally:
            watch.cancel()
            ticket.cancel()
            if "finish" not in facts:
                self.measures.unfinished.labels(model.name).inc()
            facts["completion_tokens"] = num_tokens
            self.measures.prompt_tokens.labels(model.name).inc(len(question.prompt.ids))
            self.measures.completion_tokens.labels(model.name).inc(num_tokens)

    async def _aside(self, do: Callable[..., Result], *given: Any) -> Result:
        """Do what takes a while in another thread."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, do, *given)

    async def _in_time(self, waited_for: Any) -> Any:
        """Wait, but not for ever.

        Raises:
            RequestError: It took too long.
        """
        try:
            return await asyncio.wait_for(waited_for, self.settings.timeout_s)
        except TimeoutError as error:
            raise late(self.settings.timeout_s) from error

    def _explain(self, error: Exception) -> Exception:
        """Return what a client is told of what an engine says."""
        if isinstance(error, FullError):
            return full()
        if isinstance(error, ClosedError):
            return closing()
        if isinstance(error, LateError):
            return late(self.settings.timeout_s)
        if isinstance(error, ClientDisconnect):
            return error
        LOG.error("an answer failed", exc_info=error)
        return RequestError(500, f"the model failed: {type(error).__name__}", code="model_failed")


async def _body(request: Request) -> bytes:
    """Read a body; the request itself would keep it."""
    return b"".join([chunk async for chunk in request.stream()])


async def _watch(request: Request, ticket: Ticket, listener: Listener) -> None:
    """Cancel an answer when its client goes away."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    ticket.cancel()
    listener.hear(Said(error=ClientDisconnect()))


async def _after(first: Said, others: AsyncIterator[Said]) -> AsyncIterator[Said]:
    yield first
    async for other in others:
        yield other
