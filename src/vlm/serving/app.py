"""The paths that are served."""

import hmac
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from vlm.serving.errors import RequestError, closing
from vlm.serving.gate import BodyLimit, Door, Logged
from vlm.serving.measures import CONTENT_TYPE
from vlm.serving.service import Service

PAGE = Path(__file__).parent / "page"
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
"""The page loads nothing from elsewhere, and stands in no frame of others."""
GONE = 499
"""Status of a request whose client went away before there was one; nobody reads it but the log."""


def build_app(service: Service, key: str | None) -> FastAPI:
    """Return the application.

    Args:
        service: That answers.
        key: Which requests under `/v1` must bring; None asks for none.
    """
    app = FastAPI(title="vlm", docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(_guarded(service, key))
    app.include_router(_open_to_all(service))
    app.add_exception_handler(RequestError, _said)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _failed)
    app.add_middleware(BodyLimit, service.settings.body_mib)
    app.add_middleware(Door, service)
    app.add_middleware(Logged, service.measures)
    return app


def _guarded(service: Service, key: str | None) -> APIRouter:
    """Return what needs the key."""
    router = APIRouter(prefix="/v1", dependencies=[Depends(_key_check(key))])
    created = int(time.time())

    def described(name: str) -> dict[str, str | int]:
        return {"id": name, "object": "model", "created": created, "owned_by": "vlm"}

    @router.post("/chat/completions")
    async def complete(request: Request) -> Response:
        return await service.complete(request)

    @router.post("/attention")
    async def attention(request: Request) -> Response:
        return await service.look(request)

    @router.get("/models")
    async def models() -> Response:
        return JSONResponse({"object": "list", "data": [described(name) for name in service.models]})

    @router.get("/models/{name}")
    async def model(name: str) -> Response:
        return JSONResponse(described(service.model(name).name))

    return router


def _open_to_all(service: Service) -> APIRouter:
    """Return what tells nothing that was asked or said."""
    router = APIRouter()

    @router.get("/health")
    async def health() -> Response:
        if service.is_closing:
            raise closing()
        return JSONResponse({"status": "ok"})

    @router.get("/metrics")
    async def metrics() -> Response:
        return Response(service.measures.text(), media_type=CONTENT_TYPE)

    router.get("/")(_file(PAGE / "page.html"))
    for name in ("page.css", "page.js", "requests.js", "map.js"):
        router.get(f"/{name}")(_file(PAGE / name))
    return router


def _key_check(key: str | None) -> Callable[[Request], Awaitable[None]]:
    async def check(request: Request) -> None:
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        # Compared in constant time: how long it takes must not tell how much of it is right.
        right = key is None or hmac.compare_digest(given.strip().encode(), key.encode())
        if not right or (key is not None and kind.lower() != "bearer"):
            raise RequestError(401, "the API key is missing or wrong", code="invalid_api_key")

    return check


def _file(path: Path) -> Callable[[], Awaitable[Response]]:
    async def send() -> Response:
        return FileResponse(path, headers=PAGE_HEADERS)

    return send


async def _said(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    return error.response()


async def _of_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return RequestError(error.status_code, str(error.detail), headers=error.headers).response()


async def _gone(request: Request, error: Exception) -> Response:
    return Response(status_code=GONE)


async def _failed(request: Request, error: Exception) -> Response:
    """Of our own mistakes the log has the traceback, and the client none."""
    return RequestError(500, f"the server failed: {type(error).__name__}", code="server_failed").response()
