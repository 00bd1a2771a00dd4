"""Pictures, and what is asked about them: the questions of shards, or one about each picture of a folder."""

import json
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from vlm.corpus.formats.prompts import CAPTION, LETTER, SHORT_ANSWER, UNSURE
from vlm.corpus.objects.annotations import PICTURES
from vlm.corpus.pack import read_image
from vlm.data.locate import find_shards
from vlm.data.sample import IMAGE_PLACEHOLDER, Turn
from vlm.data.shards import ShardSource

FORMATS = (f"{UNSURE}\n{SHORT_ANSWER}", SHORT_ANSWER, LETTER, CAPTION)
"""What a question's last lines say of its answer; in a conversation once, and then for all that follow."""
FOLDER = "pictures"
"""The kind of what a folder holds."""
TURNS = ("all", "first")

Pictures = Mapping[str, bytes]
"""Encoded files by extension, in the order of their placeholders."""


@dataclass(frozen=True)
class Question:
    """A question by itself.

    Args:
        text: Without what it says of the form of its answer.
        form: That; empty if it says nothing.
        known: An answer that somebody has given; empty if nobody has.
    """

    text: str
    form: str = ""
    known: str = ""

    @property
    def asked(self) -> str:
        """What the model reads."""
        return f"{self.text}\n{self.form}" if self.form else self.text


@dataclass(frozen=True)
class Subject:
    """A picture that something is asked about; or several.

    Args:
        key: Unique among all.
        kind: Of its questions: the name of its shards without their numbers.
        image: As a record names it.
        questions: About it.
        read: Returns its files; none if they cannot be decoded.
    """

    key: str
    kind: str
    image: str | list[str]
    questions: tuple[Question, ...]
    read: Callable[[], Pictures]


class Questions(ABC):
    """Subjects in an order of their own, read as they are wanted, as often as they are.

    Args:
        limit: Subjects at most; None for all.
    """

    def __init__(self, limit: int | None) -> None:
        self.limit = limit

    def __iter__(self) -> Iterator[Subject]:
        """Yield the subjects."""
        return islice(self._subjects(), self.limit)

    def counts(self) -> Counter[str]:
        """Return how many questions there are of each kind."""
        counts: Counter[str] = Counter()
        for subject in self:
            counts[subject.kind] += len(subject.questions)
        return counts

    @abstractmethod
    def header(self) -> list[Any]:
        """Return all that decides what they are."""

    @abstractmethod
    def _subjects(self) -> Iterator[Subject]:
        """Yield all."""


class ShardQuestions(Questions):
    """The questions of samples.

    Args:
        patterns: Of the shards.
        question: Is asked about every picture in place of the samples' own; None asks those.
        turns: `all` asks each question of a conversation by itself, `first` only the first.
        limit: Samples at most.

    Raises:
        ValueError: There are no such shards, or no such turns.
    """

    def __init__(self, patterns: list[str], question: str | None, turns: str, limit: int | None) -> None:
        super().__init__(limit)
        if turns not in TURNS:
            raise ValueError(f"turns must be {' or '.join(TURNS)}, got {turns}")
        self.question, self.turns = question, turns
        self.source = ShardSource("shards", find_shards("shards", patterns))
        self._kinds = [re.sub(r"-?\d*\.tar$", "", Path(str(shard)).name) for shard in self.source.shards]

    def header(self) -> list[Any]:
        """Return the hashes of shards, and what is asked."""
        return [[index.sha256 for index in self.source.indexes], self.question, self.turns, self.limit]

    def _subjects(self) -> Iterator[Subject]:
        for number in range(len(self.source)):
            yield self._subject(number)

    def _subject(self, number: int) -> Subject:
        key, texts = self.source.read(number, ("json", "txt"))
        kind = self._kinds[self.source.shard(number)]
        record = json.loads(texts.get("json") or "{}")
        names = [name for name in sorted(texts) if name not in ("json", "txt")]
        image = record.get("image") or [f"{key}.{name}" for name in names]
        questions = (Question(self.question),) if self.question else self._asked(number)

        def read() -> Pictures:
            _, files = self.source.read(number, names)
            return {name: files[name] for name in names}

        one = image[0] if isinstance(image, list) and len(image) == 1 else image
        return Subject(f"{number:08d}-{key}", kind, one, questions, read)

    def _asked(self, number: int) -> tuple[Question, ...]:
        questions = tuple(ask_alone(self.source.sample(number, with_images=False).turns))
        return questions if self.turns == "all" else questions[:1]


class FolderQuestions(Questions):
    """One question about each picture of a folder.

    Args:
        folder: With pictures, at any depth.
        question: About each.
        limit: Pictures at most.

    Raises:
        ValueError: There is no picture.
    """

    def __init__(self, folder: Path, question: str, limit: int | None) -> None:
        super().__init__(limit)
        self.folder, self.question = folder, question
        self.files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURES)
        if not self.files:
            raise ValueError(f"images={folder} has no picture ({', '.join(PICTURES)})")

    def header(self) -> list[Any]:
        """Return the pictures by size and time, and what is asked."""
        states = [(path.stat().st_size, path.stat().st_mtime_ns) for path in self.files]
        names = [path.relative_to(self.folder).as_posix() for path in self.files]
        return [names, states, self.question, self.limit]

    def _subjects(self) -> Iterator[Subject]:
        for number, path in enumerate(self.files):
            name = path.relative_to(self.folder)
            key = re.sub(r"[^A-Za-z0-9_-]", "_", str(name.with_suffix("")))
            questions = (Question(self.question),)

            def read(path: Path = path) -> Pictures:
                try:
                    encoded, extension = read_image(path)
                except ValueError:
                    return {}
                return {extension: encoded}

            yield Subject(f"{number:08d}-{key}", FOLDER, name.as_posix(), questions, read)


def ask_alone(turns: tuple[Turn, ...]) -> Iterator[Question]:
    """Yield the questions of a conversation, each so that it can be asked by itself.

    LLaVA-1.5's conversations say once what form the answers have; here each question says it.

    Args:
        turns: Human and gpt in turn; what a last human says may have no answer.
    """
    form = ""
    for place in range(0, len(turns), 2):
        text = turns[place].text.replace(IMAGE_PLACEHOLDER, "").strip()
        said = next((known for known in FORMATS if text.endswith(f"\n{known}")), "")
        form = said or form
        known = turns[place + 1].text.strip() if place + 1 < len(turns) else ""
        yield Question(text.removesuffix(f"\n{said}") if said else text, form, known)
