"""Nothing that is kept is asked again, however the asker ended."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.endpoint.asking import endpoint, request, requests
from tests.endpoint.server import serving
from vlm.endpoint.request import Request

KEY = "sk-secret"


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", KEY)


def test_what_decides_a_reply_tells_kept_replies_apart(tmp_path: Path) -> None:
    different = [
        request("a"), request("b"), request("a", seed=1), request("a", model="other"),
        request("a", temperature=0), request("a", max_tokens=8), request("a", temperature=None),
    ]  # fmt: skip
    assert len({one.digest("http://x") for one in different}) == len(different)
    assert request("a").digest("http://x") != request("a").digest("http://y")
    assert request("a", key="one").digest("http://x") == request("a", key="two").digest("http://x")


def test_a_slash_after_the_address_decides_nothing(tmp_path: Path) -> None:
    with serving() as server:
        list(endpoint(server.url, tmp_path).ask([request("hello")]))
        (reply,) = endpoint(f"{server.url}/", tmp_path).ask([request("hello")])
    assert reply.from_cache


def test_a_model_is_the_same_at_another_address_if_it_is_known_as_the_same(tmp_path: Path) -> None:
    for kept in (False, True):
        with serving() as server:  # each time at another port
            (reply,) = endpoint(server.url, tmp_path, known_as="ours").ask([request("a")])
            assert reply.from_cache is kept


def test_equal_requests_under_way_are_sent_once(tmp_path: Path) -> None:
    with serving(delay_s=0.2) as server:
        replies = list(endpoint(server.url, tmp_path).ask(request("same", key=str(i)) for i in range(6)))
    assert sorted(reply.key for reply in replies) == list("012345")
    assert {reply.text for reply in replies} == {"echo same"}
    assert server.asked["same"] == 1
    assert sum(reply.from_cache for reply in replies) == 5


def test_a_damaged_file_is_asked_again(tmp_path: Path) -> None:
    with serving() as server:
        client = endpoint(server.url, tmp_path)
        list(client.ask([request("hello")]))
        (file,) = tmp_path.rglob("*.json")
        assert KEY not in file.read_text()
        for damage in ("", "[1]", '{"text": "x"}'):
            file.write_text(damage)
            assert [reply.text for reply in client.ask([request("hello")])] == ["echo hello"]
        assert server.asked["hello"] == 4
        assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [file.name]


def test_an_asker_that_fails_leaves_nothing_running(tmp_path: Path) -> None:
    def failing() -> Iterator[Request]:
        yield request("p0")
        raise RuntimeError("the asker's own")

    with serving(lambda prompt, before: "slow") as server:
        start = time.monotonic()
        with pytest.raises(RuntimeError, match="the asker's own"):
            list(endpoint(server.url, tmp_path).ask(failing()))
        assert time.monotonic() - start < 2


ASKING = """
import signal
import sys
from pathlib import Path
from tests.endpoint.asking import endpoint, requests

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    for reply in endpoint(sys.argv[1], Path(sys.argv[2])).ask(requests(120)):
        print(reply.key, flush=True)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_stopped_and_started_again_nothing_that_is_kept_is_asked_twice(
    how: signal.Signals, tmp_path: Path
) -> None:
    with serving(delay_s=0.05) as server:
        command = [sys.executable, "-c", ASKING, server.url, str(tmp_path / "cache")]
        root = Path(__file__).resolve().parents[2]
        environment = os.environ | {"PYTHONPATH": str(root)}
        asker = subprocess.Popen(
            command, cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert asker.stdout is not None
        assert asker.stderr is not None
        seen = [asker.stdout.readline().strip() for _ in range(20)]
        asker.send_signal(how)
        stopped = time.monotonic()
        errors = asker.communicate(timeout=20)[1]
        assert time.monotonic() - stopped < 5
        if how is signal.SIGINT:
            assert errors.strip().splitlines()[-1] == "KeyboardInterrupt"
            assert "Task" not in errors
        kept = len(list((tmp_path / "cache").rglob("*.json")))
        assert 20 <= kept < 120
        while server.now:
            time.sleep(0.01)
        replies = {reply.key: reply for reply in endpoint(server.url, tmp_path / "cache").ask(requests(120))}
        assert {key: reply.text for key, reply in replies.items()} == {
            f"p{i}": f"echo p{i}" for i in range(120)
        }
        assert sum(reply.from_cache for reply in replies.values()) == kept
        assert all(server.asked[key] == 1 for key in seen)
        assert all(server.asked[key] == 1 for key, reply in replies.items() if reply.from_cache)
        assert sum(server.asked.values()) <= 120 + 4  # only what was under way when it stopped
