"""Requests in files that an endpoint answers at its leisure: OpenAI's Batch format.

A line of a request is `{"custom_id", "method", "url", "body"}`, a line of a reply `{"custom_id", "response":
{"status_code", "body"}, "error"}`. vLLM's `run-batch` reads and writes the same. The id is the request's
hash, so that a reply finds its place among those that are kept, whenever it comes.
"""

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

from vlm.endpoint.cache import Cache
from vlm.endpoint.reply import GarbledError, read_completion
from vlm.endpoint.request import Request
from vlm.endpoint.trouble import one_line

MAX_REQUESTS, MAX_BYTES = 50_000, 190_000_000
"""Of a file that OpenAI takes; its limit is 200 MB."""


def write_requests(requests: Iterable[Request], base_url: str, folder: Path) -> Iterator[tuple[Path, int]]:
    """Write `requests-000000.jsonl`, ...; yield each file and its number of requests.

    Args:
        requests: To be asked.
        base_url: Of the endpoint, as whoever reads the replies will say it.
        folder: To make; it must hold no such file.

    Raises:
        ValueError: It holds one.
    """
    if any(folder.glob("requests-*.jsonl")):
        raise ValueError(f"requests={folder} holds requests already; choose another folder or delete them")
    folder.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(_line(request, base_url), ensure_ascii=False) for request in requests)
    with ExitStack() as stack:
        file: TextIO | None = None
        number = count = size = 0
        for line in lines:
            length = len(line.encode()) + 1
            if file is not None and (count == MAX_REQUESTS or size + length > MAX_BYTES):
                file.close()
                yield Path(file.name), count
                file = None
            if file is None:
                file = stack.enter_context(
                    (folder / f"requests-{number:06d}.jsonl").open("w", encoding="utf-8")
                )
                number, count, size = number + 1, 0, 0
            file.write(f"{line}\n")
            count, size = count + 1, size + length
        if file is not None:
            file.close()
            yield Path(file.name), count


def _line(request: Request, base_url: str) -> dict[str, Any]:
    return {
        "custom_id": request.digest(base_url),
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": request.body(),
    }


def read_replies(files: Iterable[Path], cache: Cache) -> Iterator[tuple[str, str | None]]:
    """Keep the replies of files; yield each one's request's hash, and why there is none if there is none.

    Raises:
        ValueError: A line is no reply.
    """
    for path in files:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    digest, row = _read(f"{path}:{number}", line)
                    yield digest, _keep(digest, row, cache)


def _read(place: str, line: str) -> tuple[str, dict[str, Any]]:
    try:
        row = json.loads(line)
        digest = str(row["custom_id"])
        if not re.fullmatch("[0-9a-f]{64}", digest):
            raise ValueError(digest)
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"replies: {place} is no reply to a request that this command wrote; name the files that the "
            "endpoint made of them"
        ) from error
    return digest, row


def _keep(digest: str, row: dict[str, Any], cache: Cache) -> str | None:
    response, error = row.get("response") or {}, row.get("error")
    if error or response.get("status_code") != 200:
        said = error or response.get("body") or "no response"
        return one_line(f"status {response.get('status_code')}: {json.dumps(said)}")
    try:
        cache.put(digest, read_completion(json.dumps(response.get("body"))))
    except GarbledError as garbled:
        return str(garbled)
    return None
