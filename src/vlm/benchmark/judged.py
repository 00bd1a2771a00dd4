"""Benchmarks whose answers another model grades."""

import hashlib
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from vlm.benchmark.folder import FolderBenchmark
from vlm.benchmark.question import Mark, Question
from vlm.endpoint.request import Messages
from vlm.judge.base import Judge


@dataclass(frozen=True, kw_only=True)
class JudgedMark(Mark):
    """A mark whose evidence is all that the judge said, empty if it could not be reached.

    Args:
        counted: Whether it enters the means.
    """

    counted: bool


class JudgedBenchmark(FolderBenchmark):
    """Answers are graded by a judge, or their grades are read from a file that was made earlier.

    What the judge says and nobody can read is counted, and left out of the means.

    Args:
        folder: Where the authors' files are.
        max_new_tokens: An answer is cut there.
        judge: Who grades; None if the file does, or if answers are only collected.
        given: The file of grades; None asks the judge.
        legacy: Whether what cannot be read enters the means, as the authors' scripts let it.
    """

    given_key: ClassVar[str]
    """The setting that names the file of grades."""

    def __init__(
        self, folder: str, max_new_tokens: int, judge: Judge | None, given: str | None, legacy: bool
    ) -> None:
        super().__init__(folder, max_new_tokens)
        self.judge = judge
        self.given = Path(given) if given else None
        self.legacy = legacy
        self._graded: dict[str, str] = {}

    def content(self) -> str:
        """Return a hash of the authors' files, and of the file of grades."""
        if self.given is None:
            return super().content()
        return hashlib.sha256(super().content().encode() + self.given_file().read_bytes()).hexdigest()

    def mark(self, question: Question, answer: str) -> Mark:
        """Have one answer graded.

        Raises:
            ValueError: Nobody grades it.
        """
        (mark,) = self.mark_all([question], [answer])
        return mark

    @property
    def is_scored(self) -> bool:
        """Without a judge answers are only collected."""
        return self.judge is not None or self.given is not None

    @property
    def has_controls(self) -> bool:
        """A judge may be asked about anybody's answers; a file of grades is of one model's."""
        return self.given is None

    @property
    def has_majority(self) -> bool:
        """Right answers are sentences, each its own."""
        return False

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Who graded, and what it was told."""
        return {"judge": asdict(self.judge.record)} if self.judge and self.given is None else {}

    @abstractmethod
    def mark_all(self, questions: Sequence[Question], answers: Sequence[str]) -> list[Mark]:
        """Have all answers graded at once; the marks are `JudgedMark`s.

        Raises:
            ValueError: Nobody grades them.
        """

    def ask_judge(self, prompts: Sequence[Messages]) -> list[str]:
        """Return what the judge says to each, empty where it could not be reached.

        Raises:
            ValueError: There is no judge, or it answers nothing at all.
        """
        if self.judge is None:
            raise ValueError(
                f"{type(self).__name__} needs a judge: say judge=openai, or {self.given_key}=FILE for grades "
                "made earlier"
            )
        return [text or "" for text in self.judge.ask(prompts)]

    def given_file(self) -> Path:
        """Return the file of grades.

        Raises:
            ValueError: It does not exist.
        """
        if self.given is None or not self.given.is_file():
            raise ValueError(f"{self.given_key}={self.given} is no file; name one, or say judge=openai")
        return self.given

    def hold_to_one_model(self, questions: Sequence[Question], answers: Sequence[str]) -> None:
        """Grades from a file belong to one set of answers: they say nothing of a control's.

        Raises:
            ValueError: These are not the answers that were graded before.
        """
        for question, answer in zip(questions, answers, strict=True):
            if self._graded.setdefault(question.key, answer) != answer:
                raise ValueError(
                    f"{self.given_key}={self.given} grades one model's answers, and others came, too; ask "
                    "without controls, or say judge=openai"
                )
