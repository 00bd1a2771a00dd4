"""A lock is one's alone, waits for the living, and outlives nobody."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from vlm.run.lock import HeartbeatLock

HOLD = """
import sys, time
from pathlib import Path
from vlm.run.lock import HeartbeatLock
with HeartbeatLock(Path(sys.argv[1]), beat=0.1, patience=1.0).held(print):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def quick(path: Path) -> HeartbeatLock:
    return HeartbeatLock(path, beat=0.05, patience=0.5)


def hold(path: Path, seconds: float) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path), str(seconds)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_many_count_without_losing_any(tmp_path: Path) -> None:
    count = tmp_path / "count"
    count.write_text("0")

    def add() -> None:
        for _ in range(5):
            with quick(tmp_path / ".lock").held(print):
                seen = int(count.read_text())
                time.sleep(0.002)
                count.write_text(str(seen + 1))

    threads = [threading.Thread(target=add) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count.read_text() == "30"
    assert [path.name for path in tmp_path.iterdir()] == ["count"]


def test_who_waits_says_for_whom_and_goes_on_when_he_is_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    process = hold(tmp_path / ".lock", 0.5)
    with quick(tmp_path / ".lock").held(print):
        assert process.wait() == 0
    assert capsys.readouterr().out == f"process {process.pid} on {socket.gethostname()}\n"


def test_who_lives_longer_than_patience_keeps_it(tmp_path: Path) -> None:
    started = time.monotonic()
    process = hold(tmp_path / ".lock", 2.0)
    with quick(tmp_path / ".lock").held(print):
        assert time.monotonic() - started > 2.0
    assert process.wait() == 0


def test_who_was_killed_here_is_replaced_at_once(tmp_path: Path) -> None:
    process = hold(tmp_path / ".lock", 60)
    process.send_signal(signal.SIGKILL)
    process.wait()
    started = time.monotonic()
    with HeartbeatLock(tmp_path / ".lock", beat=0.05, patience=60).held(print):
        assert time.monotonic() - started < 5


def test_who_died_on_another_machine_is_replaced_after_a_while(tmp_path: Path) -> None:
    lock = tmp_path / ".lock"
    lock.write_text(json.dumps({"token": "other", "host": "elsewhere", "pid": 1}))
    os.utime(lock, (time.time() - 0.3, time.time() - 0.3))
    started = time.monotonic()
    with quick(lock).held(print):
        assert 0.1 < time.monotonic() - started < 5
        assert json.loads(lock.read_text())["token"] != "other"
    assert list(tmp_path.iterdir()) == []


def test_who_was_killed_and_is_not_buried_yet_holds_nothing(tmp_path: Path) -> None:
    process = hold(tmp_path / ".lock", 60)
    process.send_signal(signal.SIGKILL)  # its parent, this process, has not asked what became of it
    started = time.monotonic()
    with HeartbeatLock(tmp_path / ".lock", beat=0.05, patience=60).held(print):
        assert time.monotonic() - started < 5
    process.wait()


def test_one_only_of_many_takes_over_from_the_dead(tmp_path: Path) -> None:
    lock, inside, most = tmp_path / ".lock", [0], []
    lock.write_text(json.dumps({"token": "other", "host": "elsewhere", "pid": 1}))
    os.utime(lock, (time.time() - 60, time.time() - 60))

    def enter() -> None:
        with quick(lock).held(lambda _: None):
            inside[0] += 1
            most.append(inside[0])
            time.sleep(0.02)
            inside[0] -= 1

    threads = [threading.Thread(target=enter) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 12
    assert list(tmp_path.iterdir()) == []


def test_who_died_burying_holds_nobody_up(tmp_path: Path) -> None:
    dead = json.dumps({"token": "other", "host": "elsewhere", "pid": 1})
    for name, text in ((".lock", dead), (".lock.burial", "")):
        (tmp_path / name).write_text(text)
        os.utime(tmp_path / name, (time.time() - 60, time.time() - 60))
    with quick(tmp_path / ".lock").held(print):
        pass
    assert list(tmp_path.iterdir()) == []
