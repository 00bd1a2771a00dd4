"""A benchmark is questions plus a scorer."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Question:
    """One thing to ask.

    Args:
        key: Unique within the benchmark.
        kind: Groups scores.
        text: With `<image>` where the pictures belong.
        images: Encoded files.
        answer: The right one.
    """

    key: str
    kind: str
    text: str
    images: tuple[bytes, ...] = field(repr=False)
    answer: str


class Benchmark(ABC):
    """The contract of every benchmark.

    Args:
        max_new_tokens: An answer is cut there.
    """

    def __init__(self, max_new_tokens: int) -> None:
        self.max_new_tokens = max_new_tokens

    @abstractmethod
    def questions(self) -> list[Question]:
        """Return all questions, in a fixed order."""

    @abstractmethod
    def is_right(self, question: Question, answer: str) -> bool:
        """Return whether the answer scores."""

    def score(self, questions: Sequence[Question], answers: Sequence[str]) -> dict[str, float]:
        """Return `accuracy` in [0, 1], and `accuracy/<kind>` for each kind."""
        hits: dict[str, list[bool]] = {}
        for question, answer in zip(questions, answers, strict=True):
            hits.setdefault(question.kind, []).append(self.is_right(question, answer))
        scores = {f"accuracy/{kind}": sum(right) / len(right) for kind, right in sorted(hits.items())}
        everything = [hit for right in hits.values() for hit in right]
        return {"accuracy": sum(everything) / len(everything), **scores}
