"""`vlm synthesize` against an endpoint that fails: is everything accounted for, and how much time is lost?

    .venv/bin/python benchmarks/synthesize.py [requests=10000] [concurrency=64] [latency=1.0] [kill=false]

The endpoint (faulty_endpoint.py) answers with 429, 500, time-outs, cut streams, pages that are no JSON,
closed connections, and with replies that every rule rejects. It writes down each try; so the account that the
verb gives must be the one that follows from that log, to the last request. With kill=true the verb is killed
(-9) when half of the requests have been answered, and started again: of those that were answered, only what
it had not read yet, at that instant, may be asked and paid again.

The bound is what the endpoint itself takes: the seconds of all tries, over the concurrency. The overhead is
by how much the time from the first try to the last is longer. The exit status is 1 if something is not as it
should be.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

HERE = Path(__file__).resolve().parent
KINDS = ("conversation", "detail", "reasoning")
TIMEOUT_S = 4.0
DEFAULTS = {"requests": "10000", "concurrency": "64", "latency": "1.0", "kill": "false"}

Row = dict[str, Any]


def make_source(folder: Path, count: int) -> None:
    """Write captions, boxes and small pictures, of noise, so that none is like another."""
    folder.mkdir()
    with (folder / "source.jsonl").open("w") as file:
        for number in range(count):
            noise = np.random.default_rng(number).integers(0, 256, (8, 8, 3), np.uint8)
            Image.fromarray(noise).resize((32, 32)).save(folder / f"{number:05d}.png")
            row = {
                "id": f"{number:05d}", "image": f"{number:05d}.png",
                "captions": [f"Picture {number} shows a dog."] * 5,
                "boxes": [{"category": "dog", "box": [0.1, 0.2, 0.3, 0.4]}],
            }  # fmt: skip
            file.write(json.dumps(row) + "\n")


class Memory:
    """What a process and its threads hold, looked at now and then."""

    def __init__(self) -> None:
        self.seen: list[tuple[float, float]] = []

    def watch(self, process: "subprocess.Popen[bytes]", until: float | None, log: Path) -> None:
        """Look until the process ends, or so many replies have been paid."""
        known = psutil.Process(process.pid)
        while process.poll() is None:
            try:
                self.seen.append((time.time(), known.memory_info().rss / 2**20))
            except psutil.Error:
                return
            if until is not None and len(self.seen) % 4 == 0 and sum(r["paid"] for r in rows(log)) >= until:
                return
            time.sleep(0.25)

    def say(self, log: list[Row], made: float) -> str:
        """Say what was held at most in each tenth of the asking, and then until the set was made.

        Args:
            log: The endpoint's.
            made: When the set was there; what an interpreter touches as it ends is left out.
        """
        began, ended = min(row["began"] for row in log), max(row["ended"] for row in log)
        began = max(began, self.seen[0][0])
        tenths: dict[int, float] = {}
        for when, held in self.seen:
            if when > made:
                break
            tenth = int((when - began) / (ended - began) * 10)
            if tenth >= 0:
                tenths[min(tenth, 10)] = max(held, tenths.get(min(tenth, 10), 0))
        making = f"; making the set {tenths.pop(10, 0):.0f} MiB"
        return "asking, by tenths: " + " ".join(f"{tenths[one]:.0f}" for one in sorted(tenths)) + making


def rows(log: Path) -> list[Row]:
    """Return what the endpoint has written down."""
    return [json.loads(line) for line in log.read_text().split("\n")[:-1]]


def command(folder: Path, url: str, concurrency: str) -> list[str]:
    """Return the words that make the set."""
    return [
        sys.executable, "-m", "vlm", "synthesize", "format=json", f"source={folder}/source/source.jsonl",
        f"images={folder}/source", f"output={folder}/made", f"cache={folder}/replies", "model=faulty",
        f"base_url={url}", "api_key_variable=null", f"timeout_s={TIMEOUT_S}", f"concurrency={concurrency}",
        f"kinds=[{','.join(KINDS)}]", "input_price=2.5", "output_price=10",
    ]  # fmt: skip


def check_account(folder: Path, log: list[Row]) -> list[str]:
    """Return where the funnel is not what follows from the log."""
    account = json.loads((folder / "made/funnel.json").read_text())["kinds"]
    expected = {kind: Counter[str]() for kind in KINDS}
    for row in {row["name"]: row for row in log}.values():  # the last try of each request
        became = "failed" if row["fault"] else row["rule"] or "accepted"
        expected[row["kind"]][became] += 1
    wrong = []
    for kind, tally in account.items():
        same = expected[kind].pop("same-text", 0)  # the first of them stays
        expected[kind] += Counter({"same-text": same - 1, "accepted": 1}) if same else Counter()
        found = Counter(tally["rejected"]) + Counter(accepted=tally["accepted"], failed=tally["failed"])
        if found != expected[kind] or tally["not_asked"]:
            wrong.append(f"{kind}: {dict(found)} is not {dict(expected[kind])}")
    return wrong


def overhead(log: list[Row], concurrency: int) -> tuple[float, float]:
    """Return the bound in seconds, and the seconds from the first try to the last."""
    bound = sum(row["ended"] - row["began"] for row in log) / concurrency
    return bound, max(row["ended"] for row in log) - min(row["began"] for row in log)


def main(settings: dict[str, str]) -> int:
    """Run it, and say what came out."""
    kill = settings["kill"] == "true"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_source(folder / "source", -(-int(settings["requests"]) // len(KINDS)))
        log, memory, unread = folder / "log.jsonl", Memory(), None
        log.touch()
        served = subprocess.Popen(
            [sys.executable, str(HERE / "faulty_endpoint.py"), str(log), f"latency={settings['latency']}"],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert served.stdout is not None
            words = command(folder, served.stdout.readline().strip(), settings["concurrency"])
            process = subprocess.Popen(words)
            if kill:
                memory.watch(process, int(settings["requests"]) / 2, log)
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
                time.sleep(1)
                sent, kept = (
                    sum(row["paid"] for row in rows(log)), len(list((folder / "replies").rglob("*.json")))
                )  # fmt: skip
                unread = sent - kept
                print(f"killed: {sent} replies sent, {kept} kept, {unread} not read yet")
                process, memory = subprocess.Popen(words), Memory()
            memory.watch(process, None, log)
            process.wait()
        finally:
            served.kill()
        return report(folder, rows(log), memory, int(settings["concurrency"]), unread)


def report(folder: Path, log: list[Row], memory: Memory, concurrency: int, unread: int | None) -> int:
    """Print what came out; return 1 if something is wrong."""
    tries = Counter(row["fault"] or "a reply" for row in log)
    print(f"{len({row['name'] for row in log})} requests, {len(log)} tries: {dict(tries.most_common())}")
    paid = Counter(row["name"] for row in log if row["paid"])
    twice = sum(count - 1 for count in paid.values())
    print(f"replies paid: {paid.total()}; paid twice: {twice}")
    wrong = check_account(folder, log)
    print(*(wrong or ["the account is what follows from the endpoint's log"]), sep="\n")
    print(memory.say(log, (folder / "made/manifest.json").stat().st_mtime))
    bound, took = overhead(log, concurrency)
    slow = unread is None and took > 1.05 * bound
    if unread is None:
        print(f"the endpoint's own bound {bound:.1f} s, took {took:.1f} s: {took / bound - 1:+.1%}")
    return 1 if wrong or twice > (unread or 0) or (unread or 0) > concurrency or slow else 0


if __name__ == "__main__":
    chosen = DEFAULTS | dict(word.split("=") for word in sys.argv[1:])
    unknown = set(chosen) - set(DEFAULTS)
    sys.exit(f"no such words: {unknown}" if unknown else main(chosen))
