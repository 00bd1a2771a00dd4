"""An answer is what the model says to its prompt alone, whoever else asks, comes and goes."""

import math
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue

import pytest

from tests.serving.conftest import MOST, build
from vlm.data.sample import Prompt, Turn
from vlm.llm.decoding import Decoding
from vlm.model.generate import Answerer
from vlm.serving.engine import Engine
from vlm.serving.ticket import Asked, ClosedError, FullError, LateError, Said
from vlm.serving.writing import Finish


class Asker:
    """Asks, and hears an answer to its end."""

    def __init__(self, engine: Engine, prompt: Prompt, decoding: Decoding, **more: float | bool) -> None:
        self.pieces: SimpleQueue[Said] = SimpleQueue()
        prepared = engine.answerer.prepare_one(prompt, {})
        self.ticket = engine.ask(Asked(prepared, decoding, **more), self.pieces.put)

    def hear(self) -> list[Said]:
        pieces = [self.pieces.get(timeout=60)]
        while not (pieces[-1].finish or pieces[-1].error):
            pieces.append(self.pieces.get(timeout=60))
        return pieces

    def text(self) -> str:
        pieces = self.hear()
        assert pieces[-1].error is None, pieces[-1].error
        return "".join(piece.text for piece in pieces)


@pytest.fixture
def engine(answerer: Answerer) -> Iterator[Engine]:
    engine = Engine(answerer, at_once=7, queue=100)
    yield engine
    engine.close()


def several(prompts: list[Prompt]) -> list[Prompt]:
    """With no picture, with two, with the same picture as others, and after earlier turns."""
    said = (Turn("human", prompts[2].text), Turn("gpt", "red"))
    return [
        *prompts[:20],
        Prompt("What is red?", (), 3),
        Prompt("<image>\n<image>\nAre they the same?", prompts[0].images + prompts[1].images, 4),
        *(replace(prompts[5], text=f"<image>\nWhy{'?' * number}", seed=number) for number in range(8)),
        Prompt("And what else?", prompts[2].images, 5, said),
        Prompt("<image>\nAnd here?", prompts[2].images + prompts[3].images, 6, said),
    ]


@pytest.mark.parametrize("llm", ["tiny_llama", "mistral7b", "gemma2_2b", "qwen25_15b"])
def test_answers_are_those_of_the_model_alone(llm: str, data_folder: Path, prompts: list[Prompt]) -> None:
    answerer = build(data_folder, f"llm={llm}")
    asked = several(prompts)
    hows = [Decoding(MOST), Decoding(3), Decoding(12), Decoding(MOST, temperature=1.0, top_p=0.9)]
    expected = []
    for number, prompt in enumerate(asked):
        answerer.decoding = hows[number % 4]
        expected += answerer([prompt])
    assert len(set(expected)) > 12
    engine = Engine(answerer, at_once=7, queue=100)
    found = []
    for number, prompt in enumerate(asked):
        found.append(Asker(engine, prompt, hows[number % 4], streams=number % 3 > 0))
        if number % 5 == 0:
            time.sleep(0.01)  # so that some join while others are written
    assert [one.text() for one in found] == expected
    engine.close()


def test_a_stop_ends_an_answer_and_is_no_part_of_it(
    engine: Engine, prompts: list[Prompt], alone: list[str]
) -> None:
    stops = [next(letter for letter in text[2:] if letter.strip()) for text in alone[:10]]
    found = [
        Asker(engine, prompt, Decoding(MOST, stop=(stop,)))
        for prompt, stop in zip(prompts[:10], stops, strict=True)
    ]
    for one, stop, text in zip(found, stops, alone, strict=False):
        pieces = one.hear()
        assert "".join(piece.text for piece in pieces) == text.split(stop)[0].strip()
        assert pieces[-1].finish is Finish.stop


def test_an_answer_that_is_cut_says_so(engine: Engine, prompts: list[Prompt]) -> None:
    last = Asker(engine, prompts[0], Decoding(2)).hear()[-1]
    assert (last.finish, last.num_tokens) == (Finish.length, 2)


def test_who_does_not_listen_piece_by_piece_hears_once(engine: Engine, prompts: list[Prompt]) -> None:
    assert len(Asker(engine, prompts[0], Decoding(MOST), streams=False).hear()) == 1
    assert len(Asker(engine, prompts[0], Decoding(MOST), streams=True).hear()) > 2


def endless(answerer: Answerer) -> Decoding:
    return Decoding(answerer.model.llm.context_length)


def until(condition: object, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_who_goes_away_frees_a_place(answerer: Answerer, prompts: list[Prompt], alone: list[str]) -> None:
    engine = Engine(answerer, at_once=2, queue=2)
    long = [Asker(engine, prompt, endless(answerer)) for prompt in prompts[:2]]
    until(lambda: engine.num_running == 2)
    waiting = [Asker(engine, prompt, Decoding(MOST)) for prompt in prompts[2:4]]
    with pytest.raises(FullError):
        Asker(engine, prompts[4], Decoding(MOST))
    waiting[0].ticket.cancel()
    long[0].ticket.cancel()
    assert waiting[1].text() == alone[3]
    assert engine.num_running == 1, "the other goes on"
    long[1].ticket.cancel()
    until(lambda: engine.num_running == engine.num_waiting == 0)
    engine.close()


def test_what_comes_too_late_is_given_up_wherever_it_is(answerer: Answerer, prompts: list[Prompt]) -> None:
    engine = Engine(answerer, at_once=1, queue=2)
    running = Asker(engine, prompts[0], endless(answerer), deadline=time.monotonic() + 0.2)
    waiting = Asker(engine, prompts[1], Decoding(MOST), deadline=time.monotonic() + 0.1)
    assert isinstance(waiting.hear()[-1].error, LateError)
    assert isinstance(running.hear()[-1].error, LateError)
    assert Asker(engine, prompts[2], Decoding(MOST), deadline=math.inf).text()
    engine.close()


def test_a_failure_ends_what_it_concerns_and_nothing_else(
    engine: Engine, prompts: list[Prompt], alone: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    llm = engine.answerer.model.llm
    begin, go_on = llm.begin, llm.go_on

    def fails(*given: object) -> None:
        raise RuntimeError("out of luck")

    monkeypatch.setattr(type(llm), "begin", lambda self, *given: fails(), raising=True)
    assert "out of luck" in str(Asker(engine, prompts[0], Decoding(MOST)).hear()[-1].error)
    monkeypatch.setattr(type(llm), "begin", lambda self, *given: begin(*given))
    monkeypatch.setattr(type(llm), "go_on", lambda self, *given: fails())
    assert "out of luck" in str(Asker(engine, prompts[0], Decoding(MOST)).hear()[-1].error)
    monkeypatch.setattr(type(llm), "go_on", lambda self, *given: go_on(*given))
    assert Asker(engine, prompts[0], Decoding(MOST)).text() == alone[0]


def test_memory_for_keys_and_values_is_kept(
    answerer: Answerer, prompts: list[Prompt], alone: list[str]
) -> None:
    size = max(len(answerer.prepare_one(prompt, {}).ids) for prompt in prompts[:9]) + MOST
    engine = Engine(answerer, at_once=9, queue=9, cache_tokens=2 * size)
    found = [Asker(engine, prompt, Decoding(MOST)) for prompt in prompts[:9]]
    seen = []

    def watch() -> None:
        while engine.num_running or engine.num_waiting:
            seen.append(engine.num_running)
            time.sleep(0.001)

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert [one.text() for one in found] == alone[:9]
    watcher.join()
    assert max(seen) == 2
    engine.close()


def test_closing_ends_what_is_under_way(answerer: Answerer, prompts: list[Prompt]) -> None:
    engine = Engine(answerer, at_once=1, queue=2)
    found = [Asker(engine, prompt, endless(answerer)) for prompt in prompts[:2]]
    until(lambda: engine.num_running == 1)
    engine.close()
    assert all(isinstance(one.hear()[-1].error, ClosedError) for one in found)
    with pytest.raises(ClosedError):
        Asker(engine, prompts[0], Decoding(1))


def test_other_work_is_done_between_words(engine: Engine, prompts: list[Prompt]) -> None:
    long = Asker(engine, prompts[0], endless(engine.answerer))
    assert engine.do(lambda: threading.current_thread().name).result(30) == "engine"
    with pytest.raises(ZeroDivisionError):
        engine.do(lambda: 1 // 0).result(30)
    long.ticket.cancel()
