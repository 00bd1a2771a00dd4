"""An endpoint on this machine that misbehaves as it is told."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Behaviour = Callable[[str, int], str]
"""(what is asked, how often it came before) to the name of what happens."""
Name = Callable[[dict[str, Any]], str]
"""The body of a request to what is asked."""


def last_message(body: dict[str, Any]) -> str:
    return body["messages"][-1]["content"]


def well(prompt: str, before: int) -> str:
    return "well"


class Server(ThreadingHTTPServer):
    """Counts what it is asked, and how much of it at once."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        behaviour: Behaviour,
        delay_s: float,
        retry_after: str,
        answer: Callable[[str], str],
        name: Name = last_message,
        logprob: Callable[[str], float] | None = None,
    ):
        super().__init__(("127.0.0.1", 0), Handler)
        self.name, self.logprob = name, logprob
        self.behaviour, self.delay_s, self.retry_after, self.answer = behaviour, delay_s, retry_after, answer
        self.asked: Counter[str] = Counter()
        self.bodies: list[dict[str, Any]] = []
        self.keys: set[str | None] = set()
        self.times: dict[str, list[float]] = {}
        self.now = self.most = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that leave are part of the tests."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompt = server.name(body)
        with server.lock:
            before = server.asked[prompt]
            server.asked[prompt] += 1
            server.bodies.append(body)
            server.keys.add(self.headers["Authorization"])
            server.times.setdefault(prompt, []).append(time.monotonic())
            server.now += 1
            server.most = max(server.most, server.now)
        try:
            time.sleep(server.delay_s)
            getattr(self, server.behaviour(prompt, before))(prompt)
        finally:
            with server.lock:
                server.now -= 1

    def reply(self, status: int, body: str, kind: str = "application/json", **headers: str) -> None:
        encoded = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", headers.pop("length", str(len(encoded))))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(encoded)

    def said(self, prompt: str, finish_reason: str = "stop") -> str:
        message = {"role": "assistant", "content": self.server.answer(prompt)}
        logprob = self.server.logprob and self.server.logprob(prompt)
        likely = None if logprob is None else {"content": [{"token": "x", "logprob": logprob}]}
        return json.dumps(
            {
                "id": "1", "object": "chat.completion", "created": 1, "model": "judge-0314",
                "choices": [
                    {"index": 0, "message": message, "finish_reason": finish_reason, "logprobs": likely}
                ],
                "usage": {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14},
            }
        )  # fmt: skip

    def well(self, prompt: str) -> None:
        self.reply(200, self.said(prompt))

    def cut(self, prompt: str) -> None:
        self.reply(200, self.said(prompt, "length"))

    def limited(self, prompt: str) -> None:
        self.reply(429, '{"error": {"message": "slow down", "code": "rate_limit_exceeded"}}')

    def limited_for(self, prompt: str) -> None:
        self.reply(429, '{"error": {"message": "slow down"}}', Retry_After=self.server.retry_after)

    def poor(self, prompt: str) -> None:
        self.reply(429, '{"error": {"message": "no money", "code": "insufficient_quota"}}')

    def broken(self, prompt: str) -> None:
        self.reply(500, "<html>\n<body>oh no</body></html>", "text/html")

    def refused(self, prompt: str) -> None:
        self.reply(401, json.dumps({"error": {"message": f"wrong: {self.headers['Authorization']}"}}))

    def unknown(self, prompt: str) -> None:
        self.reply(404, '{"error": {"message": "no such model"}}')

    def too_long(self, prompt: str) -> None:
        key = self.headers["Authorization"].removeprefix("Bearer ")
        self.reply(400, json.dumps({"error": {"message": f"too\nlong for {key}"}}))

    def garbage(self, prompt: str) -> None:
        self.reply(200, '{"choices": [{"mess')

    def page(self, prompt: str) -> None:
        self.reply(200, "<html>welcome</html>", "text/html")

    def no_choices(self, prompt: str) -> None:
        self.reply(200, '{"model": "judge-0314", "choices": []}')

    def half(self, prompt: str) -> None:
        self.reply(200, self.said(prompt)[:50], length="500")
        self.close_connection = True

    def nothing(self, prompt: str) -> None:
        self.close_connection = True

    def slow(self, prompt: str) -> None:
        time.sleep(3)
        self.reply(200, self.said(prompt))

    def drip(self, prompt: str) -> None:
        """A byte now and then keeps a client that times reads waiting for ever."""
        self.reply(200, "", length="100")
        for _ in range(30):
            self.wfile.write(b" ")
            self.wfile.flush()
            time.sleep(0.1)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serving(
    behaviour: Behaviour = well,
    delay_s: float = 0.0,
    retry_after: str = "",
    answer: Callable[[str], str] = "echo {}".format,
    name: Name = last_message,
    logprob: Callable[[str], float] | None = None,
) -> Iterator[Server]:
    server = Server(behaviour, delay_s, retry_after, answer, name, logprob)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
