"""A conversation in a terminal, word by word."""

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from vlm.data.sample import IMAGE_PLACEHOLDER, Prompt, Turn
from vlm.llm.decoding import Decoding
from vlm.model.generate import Answerer
from vlm.serving.conversation import prepare
from vlm.serving.engine import Engine
from vlm.serving.errors import RequestError
from vlm.serving.pictures import PictureLimits
from vlm.serving.ticket import Asked, Said

HELP = """\
/image FILE [FILE ...]  show pictures with the next message
/reset                  begin anew, without pictures
/save FILE              keep the conversation, as a record that vlm data pack reads
/help                   this
/quit                   end; so does an empty line's Ctrl-D
Ctrl-C                  stops an answer"""
LIMITS = PictureLimits(mib=256, megapixels=250)
"""Of pictures that are the user's own."""


@dataclass(frozen=True)
class Shown:
    """A picture of a conversation.

    Args:
        path: Of its file.
        encoded: What is in it.
    """

    path: Path
    encoded: bytes


class Chat:
    """A conversation.

    Args:
        answerer: Who answers.
        decoding: How words are chosen.
        write: Takes what is to be shown, as it comes.
    """

    def __init__(self, answerer: Answerer, decoding: Decoding, write: Callable[[str], None]) -> None:
        self.answerer, self.decoding, self.write = answerer, decoding, write
        self.engine = Engine(answerer, at_once=1, queue=1)
        self.turns: list[Turn] = []
        self.shown: list[Shown] = []
        self.next: list[Shown] = []

    def hear(self, line: str) -> bool:
        """Do what a line says; return whether to go on."""
        if not line.startswith("/"):
            if line.strip():
                self._answer(line)
            return True
        command, _, rest = line[1:].partition(" ")
        if command == "quit":
            return False
        try:
            self._do(command, shlex.split(rest))
        except (OSError, ValueError) as error:
            self.write(f"{error}\n")
        return True

    def show(self, paths: list[str]) -> None:
        """Show pictures with the next message.

        Raises:
            ValueError: One cannot be read, or none is named.
        """
        if not paths:
            raise ValueError("/image wants a file")
        found = [Shown(Path(path).expanduser(), Path(path).expanduser().read_bytes()) for path in paths]
        for one in found:
            try:
                self.answerer.image_transform(one.encoded)
            except Exception as error:  # decoders raise all kinds of things over what is no picture
                raise ValueError(f"{one.path} is no picture that can be read") from error
        self.next += found

    def ask(self, text: str) -> str:
        """Return the answer to a message, and write it as it comes.

        Raises:
            ValueError: It cannot be answered; the conversation is as it was.
        """
        places = text.count(IMAGE_PLACEHOLDER)
        if places not in (0, len(self.next)):
            raise ValueError(f"{IMAGE_PLACEHOLDER} stands {places} times for {len(self.next)} pictures")
        question = text if places else f"{IMAGE_PLACEHOLDER}\n" * len(self.next) + text
        images = tuple(one.encoded for one in [*self.shown, *self.next])
        prompt = Prompt(question, images, len(self.turns), tuple(self.turns))
        try:
            prepared = prepare(self.answerer, prompt, LIMITS)
        except RequestError as error:
            raise ValueError(f"{error}; /reset begins anew") from error
        answer = self._listen(Asked(prepared, self.decoding))
        self.turns += [Turn("human", question), Turn("gpt", answer)]
        self.shown, self.next = [*self.shown, *self.next], []
        return answer

    def save(self, path: Path) -> None:
        """Keep the conversation, as a LLaVA record.

        Raises:
            ValueError: There is none yet, or the file is there.
        """
        if not self.turns:
            raise ValueError("nothing has been said yet")
        if path.exists():
            raise ValueError(f"{path} is there; choose another name")
        record = {
            "id": path.stem,
            "image": [str(one.path) for one in self.shown],
            "conversations": [{"from": turn.speaker, "value": turn.text} for turn in self.turns],
        }
        path.write_text(json.dumps([record], indent=2, ensure_ascii=False) + "\n")

    def _do(self, command: str, given: list[str]) -> None:
        """Do a command.

        Raises:
            ValueError: There is none of that name, or it cannot be done.
        """
        if command == "image":
            self.show(given)
            self.write(f"{len(self.next)} pictures go with the next message\n")
        elif command == "reset":
            self.turns, self.shown, self.next = [], [], []
            self.write("begun anew\n")
        elif command == "save" and len(given) == 1:
            self.save(Path(given[0]).expanduser())
            self.write(f"kept in {given[0]}\n")
        elif command == "help":
            self.write(f"{HELP}\n")
        else:
            raise ValueError(f"/{command} is not understood; /help lists what is")

    def _answer(self, line: str) -> None:
        try:
            self.ask(line)
        except ValueError as error:
            self.write(f"{error}")
        self.write("\n")

    def _listen(self, asked: Asked) -> str:
        """Write an answer as it comes; Ctrl-C keeps what there is of it.

        Raises:
            ValueError: The model failed.
        """
        pieces: SimpleQueue[Said] = SimpleQueue()
        ticket, said = self.engine.ask(asked, pieces.put), ""
        try:
            while True:
                piece = pieces.get()
                if piece.error:
                    raise ValueError(f"the model failed: {piece.error}") from piece.error
                said += piece.text
                self.write(piece.text)
                if piece.finish:
                    return said
        except KeyboardInterrupt:
            ticket.cancel()
            return said
