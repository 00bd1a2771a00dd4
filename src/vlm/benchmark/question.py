"""What is asked, and what became of one answer."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Picture:
    """A picture that is read when it is asked about, so that no benchmark has to fit into memory.

    Args:
        name: Of the picture within its benchmark.
        read: Returns the encoded file.
    """

    name: str
    read: Callable[[], bytes] = field(repr=False, compare=False)

    @classmethod
    def of_file(cls, path: Path, name: str = "") -> "Picture":
        """A picture that is a file of its own; its name is the file's unless another is given."""
        return cls(name or path.name, path.read_bytes)


@dataclass(frozen=True)
class Question:
    """One thing to ask.

    Args:
        key: Unique within the benchmark.
        kind: Groups scores; empty if nothing does.
        text: The whole prompt, with `<image>` where each picture belongs.
        pictures: In the order of their placeholders.
        answer: The right one, as the benchmark's scorer reads it; None if it is withheld from the public.
        choices: Of a question with options, what each says, the first being option A.
        group: What is right only if all of it is: two questions about a picture, rotations of one question.
        images: Names the pictures that chance drew together, so that intervals draw them together, too;
            empty is the first picture's name, or the key of a question without one.
    """

    key: str
    kind: str
    text: str
    pictures: tuple[Picture, ...]
    answer: Any
    choices: tuple[str, ...] = ()
    group: str = ""
    images: str = ""

    @property
    def cluster(self) -> str:
        """What an interval resamples."""
        return self.images or (self.pictures[0].name if self.pictures else self.key)


@dataclass(frozen=True)
class Mark:
    """What a scorer makes of one answer.

    Args:
        score: What it is worth, most often 0 or 1.
        parsed: What was read out of it; None if it says nothing that the scorer can read.
        evidence: What else led to the score, such as a judge's words.
    """

    score: float
    parsed: str | None
    evidence: str = ""
