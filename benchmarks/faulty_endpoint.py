"""An OpenAI-compatible endpoint that fails at stated rates, and writes down what it did.

    .venv/bin/python benchmarks/faulty_endpoint.py LOG [latency=0.5]

It prints its address. Everything follows from hashes of what is asked and how often it came before, so two
runs meet the same faults. A line of the log is one try: what was asked, what it got, when it came and went,
and whether the reply was sent whole to somebody who was still there, and so would be paid.
"""

import asyncio
import hashlib
import json
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any, TextIO

FAULTS = {
    "429": 4.0, "429 with Retry-After": 2.0, "500": 4.0, "time-out": 0.3, "cut stream": 2.0, "not JSON": 1.0,
    "closed": 1.0,
}  # fmt: skip
"""Of tries, in per cent; whatever is tried a third time passes."""
HOPELESS = 0.5
"""Of requests, in per cent: refused as too long, however often they are sent."""
REPLIES = {
    "empty": 0.5, "cut": 1.0, "no-blocks": 2.0, "stray": 1.0, "unpaired": 1.0, "refusal": 3.0, "source": 2.0,
    "uncertain": 2.0, "language": 1.0, "loop": 1.0, "same-text": 2.0,
}  # fmt: skip
"""Of requests, in per cent: the rule that shall reject the reply."""
BLOCKS_ONLY = ("no-blocks", "stray", "unpaired")
"""No faults of a description."""


NOUNS = [
    "baker", "bicycle", "bridge", "carpet", "cat", "chair", "dancer", "dog", "farmer", "ferry", "garden",
    "guitar", "horse", "island", "kettle", "ladder", "lamp", "market", "mirror", "nurse", "painter", "pigeon",
    "poet", "river", "sailor", "table", "tailor", "train", "tree", "window",
]  # fmt: skip
VERBS = [
    "admires", "carries", "cleans", "draws", "follows", "guards", "holds", "lifts", "paints", "passes",
    "pulls", "repairs", "sells", "turns",
]  # fmt: skip
PLACES = [
    "cellar", "church", "forest", "harbor", "kitchen", "library", "meadow", "museum", "station", "street",
    "theater", "village",
]  # fmt: skip


def draw(salt: str, name: str, shares: dict[str, float]) -> str:
    """Draw from shares, in per cent, by a hash; empty for the rest."""
    place = int(hashlib.sha256(f"{salt} {name}".encode()).hexdigest()[:12], 16) / 16**12 * 100
    for what, share in shares.items():
        if place < share:
            return what
        place -= share
    return ""


def prose(seed: str, number: int) -> str:
    """English that is different for each seed."""
    random = Random(seed)
    return " ".join(
        f"The {random.choice(NOUNS)} {random.choice(VERBS)} the {random.choice(NOUNS)} that is in the "
        f"{random.choice(PLACES)} near a {random.choice(NOUNS)}."
        for _ in range(number)
    )


def kind_of(system: str) -> str:
    """Which kind of reply a system message of ours asks for."""
    if "Write a conversation" in system:
        return "conversation"
    return "reasoning" if "Write one question" in system else "detail"


def reply_to(kind: str, name: str, rule: str) -> str:
    """Return a reply that a rule rejects; with an empty rule, one that none does."""
    answer = {
        "empty": "", "refusal": "I'm sorry, but I cannot assist with that.",
        "source": f"According to the caption, it is so. {prose(name, 3)}",
        "uncertain": f"It is unclear what is going on. {prose(name, 3)}",
        "language": f"{name[:6]} Der Hund tr\u00e4gt einen Stock im Maul und l\u00e4uft am Strand entlang.",
        "loop": "the dog and the cat are here " * 9,
        "same-text": prose("the same", 9),
    }.get(rule, prose(name, 6))  # fmt: skip
    if kind == "detail" or rule in ("empty", "no-blocks"):
        return answer
    block = f"Question:\nWhat is going on?\n===\nAnswer:\n{answer}\n==="
    return {"stray": f"Sure, here it is:\n{block}", "unpaired": f"{block}\nQuestion:\nAnd now?\n==="}.get(
        rule, block
    )


class Endpoint:
    """Answers as it is told, and writes a line for each try.

    Args:
        log: To write to.
        latency: Seconds that a try takes on average; from half to half as much again.
    """

    def __init__(self, log: TextIO, latency: float) -> None:
        self.log, self.latency = log, latency
        self.asked: Counter[str] = Counter()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of a connection."""
        try:
            while await self._answer(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        messages = json.loads(await reader.readexactly(length))["messages"]
        began = time.time()
        kind = kind_of(messages[0]["content"])
        name = hashlib.sha256(f"{kind} {messages[-1]['content']}".encode()).hexdigest()
        before = self.asked[name]
        self.asked[name] += 1
        what = "400" if draw("hopeless", name, {"yes": HOPELESS}) else ""
        if not what and before < 2:
            what = draw(f"try {before}", name, FAULTS)
        rule = draw("reply", name, REPLIES)
        rule = "" if kind == "detail" and rule in BLOCKS_ONLY else rule
        seconds = self.latency * (0.5 + Random(f"{name} {before}").random())
        is_there = await self._is_there(reader, 3600.0 if what == "time-out" else seconds)
        goes_on = is_there and await self._send(writer, what, kind, name, rule)
        row = {"name": name, "kind": kind, "fault": what, "rule": rule, "began": began, "ended": time.time(),
               "paid": is_there and not what}  # fmt: skip
        self.log.write(json.dumps(row) + "\n")
        self.log.flush()
        return goes_on

    async def _is_there(self, reader: asyncio.StreamReader, seconds: float) -> bool:
        """Wait; return whether whoever asked is still there."""
        try:
            await asyncio.wait_for(reader.read(1), seconds)
        except TimeoutError:
            return True
        return False

    async def _send(self, writer: asyncio.StreamWriter, what: str, kind: str, name: str, rule: str) -> bool:
        """Send what there is to be sent; return whether the connection stays open."""
        if what == "closed":
            return False
        status, extra, body = 200, "", b""
        if what.startswith("429"):
            status, body = 429, b'{"error": {"message": "slow down"}}'
            extra = "Retry-After: 1\r\n" if "After" in what else ""
        elif what in ("400", "500"):
            status, body = int(what), b'{"error": {"message": "no"}}'
        elif what == "not JSON":
            body = b"<html>welcome</html>"
        else:
            body = json.dumps(completion(kind, name, rule)).encode()
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{extra}"
        head += f"Content-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + (body[: len(body) // 2] if what == "cut stream" else body))
        await writer.drain()
        return what != "cut stream"


def completion(kind: str, name: str, rule: str) -> dict[str, Any]:
    """Return a chat completion."""
    text = reply_to(kind, name, rule)
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "length" if rule == "cut" else "stop"}
    return {
        "id": name[:8], "object": "chat.completion", "created": int(time.time()), "model": "faulty-1",
        "choices": [choice],
        "usage": {"prompt_tokens": 2000, "completion_tokens": len(text) // 4, "total_tokens": 0},
    }  # fmt: skip


async def main(log: str, latency: float) -> None:
    """Serve until killed."""
    with Path(log).open("a", encoding="utf-8") as file:
        endpoint = Endpoint(file, latency)
        server = await asyncio.start_server(endpoint.serve, "127.0.0.1", 0, backlog=512, limit=2**22)
        print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
        async with server:
            await server.serve_forever()


if __name__ == "__main__":
    settings = dict(word.split("=") for word in sys.argv[2:])
    asyncio.run(main(sys.argv[1], float(settings.get("latency", 0.5))))
