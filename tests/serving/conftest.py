"""A small model that says many different things, and servers of it."""

import base64
import io
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest
import torch
import uvicorn
from PIL import Image

from vlm.build import build_answerer, build_model
from vlm.compose import compose_sentence
from vlm.data.sample import Prompt
from vlm.model.generate import Answerer
from vlm.serving.app import build_app
from vlm.serving.served import Served
from vlm.serving.server import _Server, listen
from vlm.serving.service import Service
from vlm.serving.settings import Settings

MOST = 8
"""Tokens of an answer."""


def build(data_folder: Path, *words: str) -> Answerer:
    """A twin whose answers differ, though it knows nothing."""
    config = compose_sentence([f"paths.data={data_folder}", "twin=true", *words]).config
    model = build_model(config)
    torch.manual_seed(0)
    model.configure_model()
    # Tied to the embedding, a random head would say the last word again and again.
    head = model.llm.network.lm_head
    head.weight = torch.nn.Parameter(torch.randn_like(head.weight))
    with torch.no_grad():
        for name, weight in model.llm.named_parameters():
            weight.mul_(8 if "q_proj" in name or "k_proj" in name else 1)  # or it attends to all alike
    torch.set_num_threads(1)
    return build_answerer(config, model.eval(), MOST)


@pytest.fixture(scope="session")
def answerer(data_folder: Path) -> Answerer:
    return build(data_folder)


@pytest.fixture(scope="session")
def prompts() -> list[Prompt]:
    """Questions about pictures, all different."""
    words = "red blue green small large circle square left right top bottom how many is the what"
    return [
        Prompt(
            f"<image>\n{' '.join(random.Random(seed).sample(words.split(), 7))}?", (picture_of(seed),), seed
        )
        for seed in range(64)
    ]


def picture_of(seed: int) -> bytes:
    """Squares of many colors."""
    colors = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(colors).resize((72, 72), Image.Resampling.NEAREST).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="session")
def alone(answerer: Answerer, prompts: list[Prompt]) -> list[str]:
    """What the model says to each prompt when it is asked nothing else."""
    return [answerer([prompt])[0] for prompt in prompts]


def data_url(picture: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"


def message(prompt: Prompt) -> dict[str, Any]:
    """A prompt, as OpenAI's clients say it."""
    pictures = [{"type": "image_url", "image_url": {"url": data_url(image)}} for image in prompt.images]
    return {"role": "user", "content": [*pictures, {"type": "text", "text": prompt.text}]}


@dataclass
class Running:
    """A server on this machine."""

    url: str
    service: Service

    def client(self, key: str = "none", **options: Any) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=key, max_retries=0, timeout=60, **options)


Serving = Callable[..., AbstractContextManager[Running]]


@pytest.fixture(scope="session")
def serving(answerer: Answerer) -> Serving:
    """Serve the model, within this process."""

    @contextmanager
    def serve(key: str | None = None, **limits: Any) -> Iterator[Running]:
        settings = Settings(**{"max_new_tokens": MOST, **limits})
        service = Service([Served("tiny", answerer, settings)], settings)
        listener = listen("127.0.0.1", 0)
        config = uvicorn.Config(build_app(service, key), log_config=None, access_log=False, lifespan="off")
        server = _Server(config, service)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield Running(f"http://127.0.0.1:{listener.getsockname()[1]}", service)
        finally:
            server.should_exit = True
            thread.join()

    return serve


@pytest.fixture(scope="session")
def server(serving: Serving) -> Iterator[Running]:
    with serving() as running:
        yield running


@pytest.fixture(scope="session")
def trained(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small run."""
    from vlm.cli import main
    from vlm.sentence import read_sentence

    folder = tmp_path_factory.mktemp("trained")
    words = [
        f"paths.data={data_folder}",
        f"paths.runs={folder}/runs",
        f"paths.cache={folder}/cache",
        "tracking=none",
        "evaluation=none",
        "stage.batch_size=4",
        "trainer.max_steps=2",
        "trainer.num_threads=1",
    ]
    assert main(["train", *words]) == 0
    return read_sentence(compose_sentence(words).config).folder.path
