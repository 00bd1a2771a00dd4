"""A server that speaks as much of the Hugging Face hub as reading a data set's files takes."""

import http.server
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "0" * 40


class Hub(http.server.BaseHTTPRequestHandler):
    """One data set, `team/shapes`: the files of a folder."""

    folder: ClassVar[Path]

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        if found := re.fullmatch(r"/datasets/team/shapes/resolve/[^/]+/(.+)", path):
            self._send_file(self.folder / found[1])
        elif re.fullmatch(r"/api/datasets/team/shapes(/revision/\w+)?", path):
            self._send({"id": "team/shapes", "sha": COMMIT, "siblings": []})
        elif found := re.fullmatch(r"/api/datasets/team/shapes/tree/[^/]+/?(.*)", path):
            self._send([self._describe(file) for file in sorted((self.folder / found[1]).iterdir())])
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        asked = json.loads(body)["paths"] if body.startswith("{") else parse_qs(body)["paths"]
        files = [self.folder / path for path in asked]
        self._send([self._describe(file) for file in files if file.exists()])

    def _describe(self, file: Path) -> dict[str, Any]:
        kind = "directory" if file.is_dir() else "file"
        size = {} if file.is_dir() else {"size": file.stat().st_size}
        return {"type": kind, "path": str(file.relative_to(self.folder)), "oid": COMMIT, **size}

    def _send(self, content: Any) -> None:
        self._answer(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _send_file(self, file: Path) -> None:
        if not file.is_file():
            self.send_error(404)
            return
        whole = file.read_bytes()
        headers = {"ETag": f'"{COMMIT}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        if found := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            first, last = int(found[1]), min(int(found[2] or len(whole) - 1), len(whole) - 1)
            headers["Content-Range"] = f"bytes {first}-{last}/{len(whole)}"
            self._answer(206, whole[first : last + 1], headers)
        else:
            self._answer(200, whole, headers)

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Give the address of a hub that holds the folder's files."""
    handler = type("OneHub", (Hub,), {"folder": folder})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
