"""A conversation holds what was said, and nothing that was not."""

from pathlib import Path

import pytest

from tests.serving.conftest import MOST
from vlm.data.sample import Prompt, Turn
from vlm.llm.decoding import Decoding
from vlm.model.generate import Answerer
from vlm.serving.chat import Chat


@pytest.fixture
def written() -> list[str]:
    return []


@pytest.fixture
def chat(answerer: Answerer, written: list[str]) -> Chat:
    return Chat(answerer, Decoding(MOST), written.append)


@pytest.fixture
def pictures(prompts: list[Prompt], tmp_path: Path) -> list[str]:
    paths = [tmp_path / f"{number}.png" for number in range(2)]
    for path, prompt in zip(paths, prompts, strict=False):
        path.write_bytes(prompt.images[0])
    return [str(path) for path in paths]


def test_it_is_what_the_model_says_turn_by_turn(
    chat: Chat, answerer: Answerer, prompts: list[Prompt], pictures: list[str], written: list[str]
) -> None:
    assert chat.hear(f"/image {pictures[0]}")
    written.clear()
    assert chat.hear("What is it?")
    first = answerer([Prompt("<image>\nWhat is it?", prompts[0].images)])[0]
    assert "".join(written) == f"{first}\n"
    assert chat.hear(f"/image {pictures[1]}")
    assert chat.hear("And here: <image>?")
    turns = (Turn("human", "<image>\nWhat is it?"), Turn("gpt", first))
    images = prompts[0].images + prompts[1].images
    second = answerer([Prompt("And here: <image>?", images, earlier=turns)])[0]
    assert chat.turns == [*turns, Turn("human", "And here: <image>?"), Turn("gpt", second)]
    assert chat.hear("/reset")
    assert (chat.turns, chat.shown, chat.next) == ([], [], [])
    assert not chat.hear("/quit")


def test_what_cannot_be_answered_leaves_it_as_it_was(
    chat: Chat, pictures: list[str], written: list[str], tmp_path: Path
) -> None:
    for line, said in (
        ("why? " * 3000, "/reset begins anew"),
        ("where is <image>", "1 times for 0 pictures"),
        ("/image", "wants a file"),
        (f"/image {tmp_path}/none.png", "none.png"),
        ("/image 'unclosed", "No closing quotation"),
        ("/save", "not understood"),
        (f"/save {tmp_path}/a.json", "nothing has been said"),
    ):
        written.clear()
        assert chat.hear(line)
        assert said in "".join(written)
        assert chat.turns == []
    (tmp_path / "text.png").write_text("no picture")
    assert chat.hear(f"/image {pictures[0]} {tmp_path}/text.png")
    assert chat.next == []
    assert chat.hear("hello")
    assert chat.hear(f"/save {pictures[0]}")
    assert "choose another name" in written[-1]


def test_an_answer_that_is_stopped_is_kept_as_far_as_it_was_said(
    answerer: Answerer, prompts: list[Prompt], pictures: list[str]
) -> None:
    said: list[str] = []

    def write(text: str) -> None:
        said.append(text)
        if len(said) == 3:
            raise KeyboardInterrupt

    chat = Chat(answerer, Decoding(1000), write)
    chat.show(pictures[:1])
    answer = chat.ask("What is it?")
    assert answer
    assert chat.turns[-1] == Turn("gpt", answer)
    chat.write = lambda text: None
    chat.decoding = Decoding(MOST)
    assert chat.ask("And now?"), "the engine is free again"
