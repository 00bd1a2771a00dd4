"""What is scored beside a model, so that a score means something: who cannot see, and who cannot think."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from random import Random

from vlm.benchmark.base import Benchmark
from vlm.benchmark.question import Question
from vlm.data.sample import IMAGE_PLACEHOLDER


def without_pictures(questions: Sequence[Question]) -> list[Question]:
    """Take every picture away: what is still answered right needs no eyes."""
    return [
        replace(
            question,
            text=question.text.replace(f"{IMAGE_PLACEHOLDER}\n", "").replace(IMAGE_PLACEHOLDER, "").strip(),
            pictures=(),
            images=question.cluster,
        )
        for question in questions
    ]


def with_others_pictures(questions: Sequence[Question], seed: int) -> list[Question]:
    """Give each question the pictures of another that has as many, and none its own if there is another.

    Questions that share pictures go on sharing them, so the pictures are no easier to tell apart.
    """
    shown: dict[int, list[tuple[str, ...]]] = {}
    pictures = {}
    for question in questions:
        names = tuple(picture.name for picture in question.pictures)
        if names not in pictures:
            pictures[names] = question.pictures
            shown.setdefault(len(names), []).append(names)
    others: dict[tuple[str, ...], tuple[str, ...]] = {}
    for order in shown.values():
        Random(seed).shuffle(order)  # one cycle through all: none keeps its own
        others.update(zip(order, order[1:] + order[:1], strict=True))
    return [
        replace(
            question,
            pictures=pictures[others[tuple(picture.name for picture in question.pictures)]],
            images=question.cluster,
        )
        for question in questions
    ]


def majority_answers(benchmark: Benchmark, questions: Sequence[Question]) -> dict[str, str]:
    """Return each kind's most frequent right answer, by question: what frequencies alone can score."""
    said: dict[str, Counter[str]] = {}
    for question in questions:
        said.setdefault(question.kind, Counter())[benchmark.right_answer(question)] += 1
    return {question.key: said[question.kind].most_common(1)[0][0] for question in questions}
