"""What every request passes: its body is counted while it comes, and a line of the log says how it went."""

import asyncio
import logging
import time
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vlm.serving.errors import RequestError, closing, full
from vlm.serving.measures import Measures
from vlm.serving.pictures import MIB
from vlm.serving.service import Service

LOG = logging.getLogger("vlm.serving")
GRACE_S = 10.0
UNKNOWN = "other"
"""Stands for paths that are not served: there are endlessly many."""


class Door:
    """Lets in as many requests for answers as can be answered or wait, and none when the server stops.

    Args:
        app: That serves.
        service: That counts them.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app, self.service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, if there is room."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self.app(scope, receive, send)
        elif self.service.is_closing:
            await closing().response()(scope, receive, send)
        elif self.service.num_open >= self.service.most_open:
            await full().response()(scope, receive, send)
        else:
            self.service.num_open += 1
            try:
                # An answer has its own time; more is for a client that reads slowly, but not for ever.
                async with asyncio.timeout(self.service.settings.timeout_s + GRACE_S):
                    await self.app(scope, receive, send)
            except TimeoutError:
                LOG.info("%s %s: the client does not read its answer", scope["method"], scope["path"])
            finally:
                self.service.num_open -= 1


class BodyLimit:
    """Refuses long bodies, before they are read.

    Args:
        app: That serves.
        mib: The longest.
    """

    def __init__(self, app: ASGIApp, mib: int | float) -> None:
        self.app, self.mib = app, mib

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request whose body is short enough."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        stated = dict(scope["headers"]).get(b"content-length", b"0")
        if not stated.isdigit() or int(stated) > self.mib * MIB:
            await self._too_long().response()(scope, receive, send)
            return
        num_read = 0

        async def counted() -> Message:
            nonlocal num_read
            message = await receive()
            num_read += len(message.get("body", b""))
            if num_read > self.mib * MIB:
                raise self._too_long()
            return message

        await self.app(scope, counted, send)

    def _too_long(self) -> RequestError:
        return RequestError(413, f"the body is longer than {self.mib:g} MiB", code="body_too_large")


class Logged:
    """Says of each request how it went, without anything that it holds.

    Args:
        app: That serves.
        measures: Where it is counted.
    """

    def __init__(self, app: ASGIApp, measures: Measures) -> None:
        self.app, self.measures = app, measures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, and say how it went."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.monotonic(), 0
        facts: dict[str, Any] = scope.setdefault("state", {}).setdefault("facts", {})

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noted)
        except BaseException:
            status = status or 500
            raise
        finally:
            seconds = time.monotonic() - started
            path = scope["route"].path if "route" in scope else UNKNOWN
            self.measures.requests.labels(path, status).inc()
            self.measures.seconds.labels(path).observe(seconds)
            said = "".join(f" {key}={value}" for key, value in facts.items())
            LOG.info("%s %s %s %.3f s%s", scope["method"], path, status, seconds, said)
