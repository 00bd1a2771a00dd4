"""Many at once: no answer is lost or mixed up, and memory does not grow."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import replace

import psutil
import pytest

from tests.serving.conftest import MOST, Running, Serving, message
from vlm.data.sample import Prompt
from vlm.llm.decoding import Decoding
from vlm.model.generate import Answerer

CLIENTS = 64
GROWTH_MIB = 30.0


def load(
    server: Running, prompts: list[Prompt], count: int, midway: Callable[[], None]
) -> list[tuple[int, str]]:
    """Ask from 64 clients at once; return whose prompt each answer is to."""
    clients = [server.client() for _ in range(CLIENTS)]
    messages = [message(prompt) for prompt in prompts]
    numbers = iter(range(count))
    lock = threading.Lock()
    answers: list[tuple[int, str]] = []

    def take() -> int | None:
        with lock:
            number = next(numbers, None)
            if number == count // 5:
                midway()
            return number

    def ask(client: int) -> None:
        while (number := take()) is not None:
            which, streams = number % len(prompts), number % 2 == 0
            said = clients[client].chat.completions.create(
                model="tiny", messages=[messages[which]], temperature=1.0, seed=which, stream=streams
            )
            if streams:
                text = "".join(chunk.choices[0].delta.content or "" for chunk in said)
            else:
                text = said.choices[0].message.content
            answers.append((which, text))

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(ask, range(CLIENTS)))
    return answers


@pytest.fixture(scope="module")
def drawn(answerer: Answerer, prompts: list[Prompt]) -> list[str]:
    """What the model says to each prompt alone, its words drawn by a seed of its own."""
    other = copy(answerer)
    other.decoding = Decoding(MOST, temperature=1.0)
    answers = [other([prompt])[0] for prompt in prompts]
    assert len(set(answers)) > 50, "a mixed-up answer would not be seen"
    pictures = [other([replace(prompt, images=prompts[prompt.seed - 1].images)])[0] for prompt in prompts]
    same = sum(one == another for one, another in zip(answers, pictures, strict=True))
    assert same < 48, "nor would a mixed-up picture"
    return answers


def check(serving: Serving, prompts: list[Prompt], alone: list[str], count: int) -> None:
    process, before = psutil.Process(), []
    with serving(at_once=32) as server:
        answers = load(server, prompts, count, lambda: before.append(process.memory_info().rss))
        grown = (process.memory_info().rss - before[0]) / 2**20
        engine = server.service.models["tiny"].engine
        assert engine.num_running == engine.num_waiting == server.service.num_open == 0
    assert len(answers) == count
    wrong = [(which, text) for which, text in answers if text != alone[which]]
    assert not wrong
    assert grown < GROWTH_MIB


def test_three_hundred_requests_of_64_clients(
    serving: Serving, prompts: list[Prompt], drawn: list[str]
) -> None:
    check(serving, prompts, drawn, 300)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_five_thousand_requests_of_64_clients(
    serving: Serving, prompts: list[Prompt], drawn: list[str]
) -> None:
    check(serving, prompts, drawn, 5000)
