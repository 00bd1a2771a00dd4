"""Ask a model a benchmark's questions: each once, whatever happens in between, spread over the devices."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from zlib import crc32

from vlm import ranks
from vlm.benchmark.journal import Journal
from vlm.benchmark.question import Question
from vlm.data.sample import Prompt
from vlm.progress import ProgressLine

Answers = Callable[[Iterable[Sequence[Prompt]]], Iterator[list[str]]]
"""Batches of prompts to batches of answers."""


def ask(
    questions: Sequence[Question], answers: Answers, batch_size: int, journal: Journal, seed: int, title: str
) -> dict[str, str]:
    """Ask what the journal has no answer to; return all answers by key.

    Every device asks its share and returns the answers of all.

    Args:
        questions: In any order.
        answers: A model.
        batch_size: Questions at once.
        journal: Keeps the answers.
        seed: Of words that are drawn; an answer's depends on it and the question alone.
        title: Says what is asked, to who looks on.
    """
    known = ranks.agreed(journal.read())
    left = [question for question in by_length(questions) if question.key not in known]
    batches = [left[first : first + batch_size] for first in range(0, len(left), batch_size)]
    mine = batches[ranks.rank() :: ranks.world_size()]
    prompts = ([prompt_of(question, seed) for question in batch] for batch in mine)
    num_known, started = len(questions) - len(left), time.monotonic()
    line = ProgressLine(title, len(questions), num_known) if left else None
    try:
        with journal:
            num_answered = 0
            for batch, said in zip(mine, answers(prompts), strict=True):
                journal.write((question.key, text) for question, text in zip(batch, said, strict=True))
                num_answered += len(batch) * ranks.world_size()  # the others are about as far
                rate = num_answered / (time.monotonic() - started)
                assert line
                line.show(min(num_known + num_answered, len(questions)), f"{rate:.1f} answers/s")
    finally:
        if line:
            line.close()
    ranks.agreed(None)  # all have written
    return ranks.agreed(journal.read())


def by_length(questions: Sequence[Question]) -> list[Question]:
    """Order questions so that a batch pads little and prepares few pictures.

    Those about the same pictures stay together, the shortest first.
    """
    together: dict[str, list[Question]] = {}
    for question in questions:
        names = "\n".join(picture.name for picture in question.pictures)
        together.setdefault(names or question.key, []).append(question)
    groups = sorted(together.values(), key=lambda group: max(len(question.text) for question in group))
    return [question for group in groups for question in group]


def prompt_of(question: Question, seed: int) -> Prompt:
    """Return the question as a model is asked it."""
    images = tuple(picture.read() for picture in question.pictures)
    return Prompt(question.text, images, seed=seed * 2**32 + crc32(question.key.encode()))
