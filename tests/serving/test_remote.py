"""Addresses of pictures lead to public hosts, or nowhere."""

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from vlm.serving.errors import RequestError
from vlm.serving.pictures import PictureLimits
from vlm.serving.remote import RemotePictures, is_public

LIMITS = PictureLimits(mib=0.01, megapixels=1)


class Handler(BaseHTTPRequestHandler):
    asked: list[str] = []  # noqa: RUF012 (of the test)

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path.startswith("/to?"):
            self.send_response(302)
            self.send_header("Location", self.path[4:])
            self.end_headers()
            return
        self.send_response(404 if self.path == "/nothing" else 200)
        self.end_headers()
        if self.path == "/slow":
            threading.Event().wait(2)
        self.wfile.write(b"x" * (20_000 if self.path == "/large" else 100))

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def host() -> Iterator[str]:
    Handler.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def fetch(url: str, allowed: str | None = None, timeout_s: float = 5.0) -> bytes:
    """Fetch as a server does, for whom this host is public."""

    def allows(address: str) -> bool:
        return ipaddress.ip_address(address) == ipaddress.ip_address(allowed or "8.8.8.8")

    return asyncio.run(RemotePictures(LIMITS, timeout_s, allows if allowed else is_public).fetch(url))


def refused(url: str, **more: Any) -> str:
    with pytest.raises(RequestError) as error:
        fetch(url, **more)
    assert error.value.status == 400
    return error.value.message


def test_a_picture_is_fetched_and_redirects_are_followed(host: str) -> None:
    assert fetch(f"http://{host}/a.png", "127.0.0.1") == b"x" * 100
    assert fetch(f"http://{host}/to?/a.png", "127.0.0.1") == b"x" * 100
    assert fetch(f"http://localhost:{host.partition(':')[2]}/a.png", "127.0.0.1") == b"x" * 100


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.1", "2130706433", "0x7f.0.0.1", "127.0.0.01", "0.0.0.0", "10.0.0.1", "192.168.1.1",
        "169.254.169.254", "100.64.0.1", "[::1]", "[::ffff:127.0.0.1]", "[fe80::1]", "[fd00::1]",
        "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "224.0.0.1", "localhost", "user@127.0.0.1",
    ],
)  # fmt: skip
def test_hosts_that_are_not_public_are_not_asked(address: str, host: str) -> None:
    port = host.partition(":")[2]
    assert "public" in refused(f"http://{address}:{port}/a.png") or "user" in address
    assert not Handler.asked


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://8.8.8.8/a", "gopher://8.8.8.8/", "http:///a", "//a/b"]
)
def test_other_schemes_are_not_asked(url: str) -> None:
    assert "http://" in refused(url)


def test_a_redirect_leads_nowhere_else(host: str) -> None:
    port = host.partition(":")[2]
    assert "not public" in refused(f"http://{host}/to?http://127.0.0.2:{port}/a.png", allowed="127.0.0.1")
    assert "http://" in refused(f"http://{host}/to?file:///etc/passwd", allowed="127.0.0.1")
    assert "redirects" in refused(f"http://{host}/to?" * 6 + "/a.png", allowed="127.0.0.1")
    assert len([path for path in Handler.asked if not path.startswith("/to?")]) == 0


def test_a_name_is_resolved_once_and_connected_to_what_was_looked_at(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is public when it is looked at, and private when it is connected to."""
    port, asked = int(host.partition(":")[2]), []
    real = socket.getaddrinfo

    def resolve(name: str, *given: Any, **more: Any) -> Any:
        if name != "rebinds.example":
            return real(name, *given, **more)
        asked.append(name)
        return real("127.0.0.1" if len(asked) == 1 else "127.0.0.2", *given, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert fetch(f"http://rebinds.example:{port}/a.png", "127.0.0.1") == b"x" * 100
    assert len(asked) == 1
    assert "not public" in refused(f"http://rebinds.example:{port}/a.png", allowed="127.0.0.1")


def test_what_is_too_large_too_slow_or_not_there_is_refused(host: str) -> None:
    assert "larger than" in refused(f"http://{host}/large", allowed="127.0.0.1")
    assert "within 0.2 s" in refused(f"http://{host}/slow", allowed="127.0.0.1", timeout_s=0.2)
    assert "404" in refused(f"http://{host}/nothing", allowed="127.0.0.1")
