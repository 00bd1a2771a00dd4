"""A benchmark is questions plus a scorer."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from vlm.benchmark.question import Mark, Question
from vlm.benchmark.tally import Column, Tally, by_kind, means


class Benchmark(ABC):
    """The contract of every benchmark.

    Metrics are functions of sums over units: `tally` says what is summed, `metrics` what comes of the sums.
    So the same two functions give a score and, over resampled sums, its error.

    Args:
        max_new_tokens: An answer is cut there.
    """

    headline: ClassVar[str] = "accuracy"
    """The metric that its publishers compare models by."""
    version: ClassVar[int] = 1
    """Raise this when a change of the prompts or the scorer changes a score."""

    def __init__(self, max_new_tokens: int) -> None:
        self.max_new_tokens = max_new_tokens

    @abstractmethod
    def content(self) -> str:
        """Return a hash of what its questions and answers are read from.

        Raises:
            ValueError: A file of it is missing.
        """

    @abstractmethod
    def questions(self) -> list[Question]:
        """Return all questions, in a fixed order.

        Raises:
            ValueError: A file of it is missing or has another form.
        """

    @abstractmethod
    def mark(self, question: Question, answer: str) -> Mark:
        """Return what an answer is worth; `question.answer` is not None."""

    @property
    def is_scored(self) -> bool:
        """Whether anybody here knows what answers are worth."""
        return True

    @property
    def has_controls(self) -> bool:
        """Whether others' answers can be scored beside the model's."""
        return True

    @property
    def has_majority(self) -> bool:
        """Whether right answers repeat, so that the most frequent one is a guess."""
        return self.has_controls

    @property
    def provenance(self) -> Mapping[str, Any]:
        """What else must be known of a score once it is there, such as who judged."""
        return {}

    def key_of(self, question_id: str, prompt: str | None) -> str:
        """Return the key of the question that an answer file means by its id and prompt: here its id."""
        return question_id

    def mark_all(self, questions: Sequence[Question], answers: Sequence[str]) -> list[Mark]:
        """Return what each answer is worth."""
        return [self.mark(question, answer) for question, answer in zip(questions, answers, strict=True)]

    def tally(self, questions: Sequence[Question], marks: Sequence[Mark]) -> Tally:
        """Return what is summed: here the scores and the number of questions, by kind."""
        kinds = [question.kind for question in questions]
        columns = by_kind("score", kinds, [mark.score for mark in marks])
        columns |= by_kind("count", kinds, np.ones(len(kinds)))
        return Tally([question.cluster for question in questions], columns)

    def metrics(self, sums: Mapping[str, Column]) -> dict[str, Column]:
        """Return metrics by name, for each entry of the sums: here `accuracy`, and `accuracy/<kind>`.

        A metric of which nothing was counted is NaN.
        """
        return means(sums, "score", "count", "accuracy")

    @abstractmethod
    def right_answer(self, question: Question) -> str:
        """Return what a model would have to say to be right; `question.answer` is not None."""

    def write_upload(
        self, questions: Sequence[Question], answers: Sequence[str], folder: Path
    ) -> Path | None:
        """Write what the benchmark's own server or tool reads, if it has one; return its path.

        Args:
            questions: All that were asked.
            answers: To each.
            folder: To write in; it exists.
        """
        return None
