"""From pictures and questions to a source that a stage learns from."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vlm.corpus.write import Record
from vlm.endpoint.request import Request, hash_of
from vlm.labelling.acceptance import RULES, Criteria
from vlm.labelling.questions import Questions
from vlm.labelling.sift import Sifting
from vlm.labelling.teacher import Teacher
from vlm.synthesis.draft import Draft, Output, Rejected
from vlm.synthesis.funnel import Funnel
from vlm.synthesis.ledger import Ledger
from vlm.synthesis.review import Draw


class Labelling:
    """A data set made by asking a model that sees.

    Args:
        questions: What is asked.
        teacher: Who.
        criteria: Which answers become records.
        output: What is made.
    """

    def __init__(self, questions: Questions, teacher: Teacher, criteria: Criteria, output: Output) -> None:
        self.questions, self.teacher, self.criteria = questions, teacher, criteria
        known = criteria.known and sorted(
            (name, sorted(all_)) for name, all_ in criteria.known.objects.items()
        )
        settings = [
            questions.header(), teacher.model, teacher.known_as, teacher.replies, teacher.temperature,
            teacher.max_tokens, criteria.min_agreement, criteria.min_confidence, criteria.max_words, known,
            output.name, output.licence,
        ]  # fmt: skip
        self.draft = Draft(output, "labelling", hash_of(settings))

    @contextmanager
    def opened(self) -> Iterator[Ledger]:
        """Give what keeps account of requests.

        Raises:
            ValueError: Another process is at it.
        """
        with self.draft.locked():
            ledger = Ledger(self.draft.work / "work.sqlite")
            try:
                yield ledger
            finally:
                ledger.close()

    def count_known(self) -> tuple[int, int]:
        """Return of how many pictures something is known beforehand, and how many there are."""
        known = self.criteria.known
        told = [known is not None and subject.image in known for subject in self.questions]
        return sum(told), len(told)

    def requests(self) -> Iterator[Request]:
        """Yield all requests."""
        for subject in self.questions:
            pictures = subject.read()
            for question in subject.questions if pictures else ():
                yield from self.teacher.requests(question, pictures)

    def make(self, ledger: Ledger) -> tuple[Funnel, int]:
        """Write the data set from the replies that are kept; return the account, and how many records."""
        funnel = Funnel(self.questions.counts(), {}, RULES, "questions")
        draw = Draw(self.draft.output.show, seed=1)
        sifting = Sifting(self.teacher, self.criteria, ledger, funnel, draw)

        def items(_: Path) -> Iterator[Record | Rejected]:
            for subject in self.questions:
                yield from sifting.sift(subject)

        return funnel, self.draft.write(items, funnel, draw, lambda: self._details(funnel))

    def _details(self, funnel: Funnel) -> dict[str, Any]:
        teacher, criteria = self.teacher, self.criteria
        return {
            "teacher": teacher.model, "replies": teacher.replies, "temperature": teacher.temperature,
            "min_agreement": criteria.min_agreement, "min_confidence": criteria.min_confidence,
            "models": dict(funnel.models), "cost": funnel.cost,
        }  # fmt: skip
