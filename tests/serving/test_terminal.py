"""`vlm chat`, for scripts and in a terminal."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vlm.cli import main
from vlm.data.sample import Prompt
from vlm.study.asked import load_answerer, open_model


class Terminal:
    """The end of a pseudo-terminal at which a person sits."""

    def __init__(self, leader: int) -> None:
        self.leader, self.screen = leader, ""

    def read_until(self, text: str, seconds: float = 60) -> str:
        deadline = time.monotonic() + seconds
        while text not in self.screen:
            assert time.monotonic() < deadline, self.screen
            self.screen += os.read(self.leader, 4096).decode()
        before, _, self.screen = self.screen.partition(text)
        return before

    def say(self, line: str) -> str:
        os.write(self.leader, f"{line}\n".encode())
        return self.read_until("\n> ")


def test_a_question_is_answered_once_for_scripts(
    trained: Path, prompts: list[Prompt], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "a picture.png"
    picture.write_bytes(prompts[0].images[0])
    words = [f"run={trained}", "max_new_tokens=6", "tracking=none", "trainer.num_threads=1"]
    assert (
        main(["chat", *words, "--query", prompts[0].text.removeprefix("<image>\n"), "--image", str(picture)])
        == 0
    )
    named = open_model(str(trained), None, words[2:])
    assert capsys.readouterr().out == load_answerer(named, 6)([prompts[0]])[0] + "\n"
    assert main(["chat", *words, "--query", "a", "--image", str(tmp_path / "none.png")]) == 2
    assert "none.png" in capsys.readouterr().err
    assert main(["chat", *words, "--image", str(picture)]) == 2
    assert "--image goes with --query" in capsys.readouterr().err


def test_a_conversation_in_a_terminal(trained: Path, prompts: list[Prompt], tmp_path: Path) -> None:
    """Driven through a pseudo-terminal, as a person would."""
    picture = tmp_path / "picture.png"
    picture.write_bytes(prompts[0].images[0])
    words = [f"run={trained}", "max_new_tokens=6", "tracking=none", "trainer.num_threads=1"]
    leader, follower = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "vlm", "chat", *words],
        stdin=follower, stdout=follower, stderr=follower, env={**os.environ, "TERM": "dumb"}, cwd=tmp_path,
        start_new_session=True,
    )  # fmt: skip
    os.close(follower)
    terminal = Terminal(leader)
    say = terminal.say
    try:
        assert trained.name in terminal.read_until("\n> ")
        assert "1 pictures go" in say(f"/image '{picture}'")
        first = say("What is it?")
        say("And now?")
        assert "No such file" in say("/image conversation.txt")
        assert "kept in" in say("/save talk.json")
        assert "is not understood" in say("/frobnicate")
        assert "tokens" in say("why? " * 700)
        assert "begun anew" in say("/reset")
        assert "nothing has been said" in say("/save other.json")
        os.write(leader, b"/quit\n")
        assert process.wait(20) == 0
    finally:
        process.kill()
        os.close(leader)
    [record] = json.loads((tmp_path / "talk.json").read_text())
    values = [turn["value"] for turn in record["conversations"]]
    assert len(values) == 4
    assert values[0] == "<image>\nWhat is it?"
    assert values[1] in first
    assert "</s>" not in "".join(values)
    assert record["image"] == [str(picture)]
