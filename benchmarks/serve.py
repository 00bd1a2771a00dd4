"""Answers a second of a server whose clients ask at once, beside one that is asked one thing after the other.

    .venv/bin/python benchmarks/serve.py [clients=64] [requests=256] [tokens=32]

Measured: the packaged tiny model behind `vlm serve`'s application, in this process, 2 threads; each request
is a picture of 72 pixels and a question, and is answered in as many tokens as `tokens` says. First one client
asks, each request when the one before is answered; then 64 clients ask at once. All answers must be the same
words on both sides.
"""

import base64
import http.client
import json
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
import uvicorn

from vlm.build import build_answerer, build_model
from vlm.build_benchmarks import build_benchmarks
from vlm.compose import compose_sentence
from vlm.corpus.shapes.world import make_world
from vlm.model.generate import Answerer
from vlm.serving.app import build_app
from vlm.serving.served import Served
from vlm.serving.server import listen
from vlm.serving.service import Service
from vlm.serving.settings import Settings

TARGET = 3.0
"""Least ratio of answers a second."""


def build(count: int) -> tuple[Answerer, list[bytes]]:
    """Return the model, and requests about different pictures."""
    with tempfile.TemporaryDirectory() as folder:
        make_world(Path(folder) / "shapes", seed=7, scale=0.25)
        config = compose_sentence([f"paths.data={folder}", f"paths.cache={folder}"]).config
        model = build_model(config)
        torch.manual_seed(0)
        model.configure_model()
        asked = build_benchmarks(config)["shapes"].questions()[:count]
        pictures = [base64.b64encode(question.pictures[0].read()).decode() for question in asked]
    model.llm.__class__.stop_ids = property(lambda self: [])  # type: ignore[method-assign, assignment]
    bodies = [
        _body(question.text.removeprefix("<image>\n"), picture)
        for question, picture in zip(asked, pictures, strict=True)
    ]
    return build_answerer(config, model.eval(), 1), bodies


def _body(text: str, picture: str) -> bytes:
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture}"}}
    content = [image, {"type": "text", "text": text}]
    return json.dumps({"model": "tiny", "messages": [{"role": "user", "content": content}]}).encode()


def ask(address: tuple[str, int], bodies: Sequence[bytes]) -> list[str]:
    """Ask one thing after the other over one connection."""
    connection, found = http.client.HTTPConnection(*address), []
    for body in bodies:
        connection.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
        found.append(json.load(connection.getresponse())["choices"][0]["message"]["content"])
    return found


def measure(address: tuple[str, int], bodies: Sequence[bytes], clients: int) -> tuple[float, list[str]]:
    """Return answers a second, and the answers, of so many clients."""
    started = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        each = list(pool.map(lambda first: ask(address, bodies[first::clients]), range(clients)))
    seconds = time.perf_counter() - started
    answers = [each[number % clients][number // clients] for number in range(len(bodies))]
    return len(bodies) / seconds, answers


def main(clients: int, requests: int, tokens: int) -> None:
    """Print answers a second of both."""
    answerer, bodies = build(requests)
    settings = Settings(at_once=clients, max_new_tokens=tokens)
    service = Service([Served("tiny", answerer, settings)], settings)
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(
        uvicorn.Config(build_app(service, None), log_config=None, access_log=False, lifespan="off")
    )
    threading.Thread(target=server.run, args=([listener],), daemon=True).start()
    address = listener.getsockname()[:2]
    measure(address, bodies[:8], 4)  # warm
    alone, expected = measure(address, bodies[: requests // 4], 1)
    together, answers = measure(address, bodies, clients)
    same = sum(one == other for one, other in zip(expected, answers, strict=False))
    print(f"one at a time  {alone:8.1f} answers/s")
    print(
        f"{clients:>3} at once    {together:8.1f} answers/s, {together / alone:.2f} times (target {TARGET:g})"
    )
    print(f"{same} of {len(expected)} answers are the same words")
    server.should_exit = True
    service.close()


if __name__ == "__main__":
    given = dict(word.split("=") for word in sys.argv[1:])
    torch.set_num_threads(2)
    main(int(given.get("clients", 64)), int(given.get("requests", 256)), int(given.get("tokens", 32)))
