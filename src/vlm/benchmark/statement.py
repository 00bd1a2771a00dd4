"""Is a statement true of a picture? What NLVR and VSR have in common."""

import re

from vlm.benchmark.folder import FolderBenchmark
from vlm.benchmark.prompt import SHORT, with_pictures
from vlm.benchmark.question import Mark, Question

SAID = re.compile(r"\b(yes|true)\b|\b(?:no|not|false)\b|n['\u2019]t\b", re.IGNORECASE)
"""What an answer says; the first of them counts, so that `not true` is a no."""


class StatementBenchmark(FolderBenchmark):
    """Statements that are asked about as yes-or-no questions.

    Their authors publish labels for classifiers and no prompt, so prompt and reading are ours. An answer
    counts by the first yes, true, no, not or false in it; one without any is wrong.
    """

    def prompt(self, statement: str) -> str:
        """Return what is asked about a picture."""
        return with_pictures(f"Is the following statement about the image true? {statement}\n{SHORT}")

    def right_answer(self, question: Question) -> str:
        """Return `Yes` or `No`."""
        return str(question.answer).capitalize()

    def mark(self, question: Question, answer: str) -> Mark:
        """Read the first word that says yes or no."""
        found = SAID.search(answer)
        if found is None:
            return Mark(0.0, None)
        said = "yes" if found[1] else "no"
        return Mark(float(said == question.answer), said)
