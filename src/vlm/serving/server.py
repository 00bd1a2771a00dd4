"""The server's process: it starts, says where it is, and stops when it is asked to, its answers given."""

import asyncio
import logging
import socket
import sys
import time
import warnings

import uvicorn
from fastapi import FastAPI
from PIL import Image

from vlm.serving.service import Service
from vlm.signals import hearing


class _Server(uvicorn.Server):
    """A server that ends what it has begun before it closes its doors."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self.service = service

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Refuse what is new (503), let what is under way end, give up what has not after a while."""
        self.service.is_closing = True
        deadline = time.monotonic() + self.service.settings.shutdown_s
        while self.service.num_open and time.monotonic() < deadline and not self.force_exit:
            await asyncio.sleep(0.05)
        await asyncio.to_thread(self.service.close)
        await super().shutdown(sockets)


def serve(app: FastAPI, service: Service, listener: socket.socket) -> None:
    """Serve until a signal asks to stop: SIGTERM or SIGINT; a second SIGINT waits for nothing.

    Args:
        app: What is served.
        service: That answers.
        listener: Bound to where it is served.
    """
    log_to_stderr()
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # pictures have limits of their own
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=2,  # what is still open by then waits for a client that does not read
        backlog=1024,
        lifespan="off",
    )
    with hearing(lambda number: None):  # uvicorn has heard it, and tells it again at the end
        _Server(config, service).run([listener])


def log_to_stderr() -> None:
    """Say what is logged, a line each, with the time."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    for name, level in (("vlm.serving", logging.INFO), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to an address; port 0 chooses a free one.

    Raises:
        ValueError: The address is taken, or not of this machine.
    """
    try:
        family, *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise ValueError(
            f"host={host} port={port} cannot be listened on: {error.strerror or error}"
        ) from error
