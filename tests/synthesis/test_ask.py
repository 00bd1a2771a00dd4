"""Asking ends when it should: at a price, on a signal, or when nobody answers."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.endpoint.server import serving
from tests.synthesis.making import answer_well, name_of, read_account, synthesize, write_source
from vlm.endpoint.client import Endpoint

ROOT = Path(__file__).resolve().parents[2]


def test_a_budget_ends_it_and_a_higher_one_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A reply costs 3 units, and each is at most 10 before it has come."""
    words = [
        *write_source(tmp_path / "source", 10),
        "kinds=[detail]",
        "input_price=0",
        "output_price=1000000",
    ]
    words += ["max_tokens=10", "concurrency=4"]
    with serving(answer=answer_well, name=name_of, delay_s=0.01) as server:
        assert synthesize(server.url, tmp_path, *words, "budget=21") == 1
        said = capsys.readouterr().out
        assert "budget=21.0 is spent (12.0000)" in said  # a fifth might have cost 10: 22 in all
        assert sum(server.asked.values()) == 4
        account = read_account(tmp_path)
        tally = account["kinds"]["detail"]
        assert (tally["accepted"], tally["not_asked"], tally["failed"]) == (4, 6, 0)
        assert account["cost"] == 12
        assert synthesize(server.url, tmp_path, *words, "budget=21") == 1  # what is kept counts as spent
        assert sum(server.asked.values()) == 4
        assert synthesize(server.url, tmp_path, *words, "budget=100") == 0
        assert sum(server.asked.values()) == 10
    assert read_account(tmp_path)["cost"] == 30


def test_an_endpoint_that_answers_nobody_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("vlm.synthesis.ask.PATIENCE", 8)
    monkeypatch.setattr(Endpoint, "first_backoff_s", 0.001)
    words = write_source(tmp_path / "source", 40, pictures=False)
    with serving(lambda name, before: "broken", name=name_of) as server:
        assert synthesize(server.url, tmp_path, *words, "concurrency=2", "max_retries=1") == 2
        assert sum(server.asked.values()) < 40
    assert (
        "has not answered 8 requests, one after the other; the last error: status 500"
        in capsys.readouterr().err
    )
    assert not (tmp_path / "made").exists()


def start(url: str, folder: Path, words: list[str]) -> "subprocess.Popen[str]":
    command = [
        sys.executable, "-m", "vlm", "synthesize", *words, f"base_url={url}", "api_key_variable=null",
        "model=teacher", f"cache={folder}/replies", f"output={folder}/made", "concurrency=4", "timeout_s=5",
    ]  # fmt: skip
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_stopped_in_the_middle_it_goes_on_and_pays_for_nothing_twice(
    how: signal.Signals, tmp_path: Path
) -> None:
    words = [*write_source(tmp_path / "source", 20), "kinds=[detail,reasoning]"]
    with serving(answer=answer_well, name=name_of, delay_s=0.05) as server:
        process = start(server.url, tmp_path, words)
        until = time.monotonic() + 60
        while sum(server.asked.values()) < 16 and time.monotonic() < until:
            time.sleep(0.005)
        os.kill(process.pid, how)
        said, errors = process.communicate(timeout=30)
        while server.now:
            time.sleep(0.005)
        kept = {path.stem for path in (tmp_path / "replies").rglob("*.json")}
        first = sum(server.asked.values())
        assert 8 <= len(kept) <= first < 40
        if how is signal.SIGINT:
            assert process.returncode == 130
            assert len(kept) == first  # what was under way has arrived
            assert "the same command goes on" in said
            assert "Traceback" not in errors
        assert not (tmp_path / "made").exists()
        assert synthesize(server.url, tmp_path, *words) == 0
    assert sum(server.asked.values()) == first + 40 - len(kept)
    twice = sum(count - 1 for count in server.asked.values())
    assert twice == first - len(kept) <= 4  # only what was under way when it was killed
    assert sum(tally["accepted"] for tally in read_account(tmp_path)["kinds"].values()) == 40
