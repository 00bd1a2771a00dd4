"""Requests and replies in OpenAI's Batch files."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.endpoint.asking import requests
from vlm.endpoint import batch
from vlm.endpoint.batch import read_replies, write_requests
from vlm.endpoint.cache import Cache

URL = "http://x/v1"


def test_requests_are_written_as_openai_reads_them(tmp_path: Path) -> None:
    ((path, count),) = write_requests(requests(3), URL, tmp_path / "batch")
    assert (path.name, count) == ("requests-000000.jsonl", 3)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [set(row) for row in rows] == [{"custom_id", "method", "url", "body"}] * 3
    assert {(row["method"], row["url"]) for row in rows} == {("POST", "/v1/chat/completions")}
    assert rows[1]["body"]["messages"] == [{"role": "user", "content": "p1"}]
    assert [row["custom_id"] for row in rows] == [one.digest(URL) for one in requests(3)]
    with pytest.raises(ValueError, match="holds requests already"):
        list(write_requests(requests(1), URL, tmp_path / "batch"))


@pytest.mark.parametrize(("limit", "value"), [("MAX_REQUESTS", 2), ("MAX_BYTES", 500)])
def test_a_file_is_no_larger_than_is_taken(
    limit: str, value: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, limit, value)
    files = list(write_requests(requests(5), URL, tmp_path))
    assert [count for _, count in files] == [2, 2, 1]
    assert sum(len(path.read_text().splitlines()) for path, _ in files) == 5
    assert list(write_requests([], URL, tmp_path / "none")) == []


def line(digest: str, status: int = 200, body: Any = None, error: Any = None) -> str:
    if body is None:
        body = {"model": "m", "choices": [{"message": {"content": "yes"}}], "created": 7}
    response = None if error else {"status_code": status, "body": body}
    return json.dumps({"id": "b", "custom_id": digest, "response": response, "error": error}) + "\n"


def test_replies_find_their_place_among_those_that_are_kept(tmp_path: Path) -> None:
    digests = [one.digest(URL) for one in requests(4)]
    path = tmp_path / "out.jsonl"
    path.write_text(
        line(digests[2]) + line(digests[0], 429, {"error": {"message": "slow\ndown"}}) + "\n"
        + line(digests[1], error={"code": "batch_expired"}) + line(digests[3], body={"choices": []})
    )  # fmt: skip
    cache = Cache(tmp_path / "replies")
    found = dict(read_replies([path], cache))
    assert found.pop(digests[2]) is None
    kept = cache.get(digests[2])
    assert kept is not None
    assert (kept.text, kept.served_model, kept.created) == ("yes", "m", 7)
    assert "status 429" in str(found[digests[0]])
    assert "batch_expired" in str(found[digests[1]])
    assert "without choices" in str(found[digests[3]])
    assert len(list((tmp_path / "replies").rglob("*.json"))) == 1


@pytest.mark.parametrize("text", ["no json\n", "[]\n", "{}\n", line("../../x"), line("task-1")])
def test_what_is_no_reply_to_our_requests_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"out.jsonl:1 is no reply to a request that this command wrote"):
        list(read_replies([path], Cache(tmp_path)))
