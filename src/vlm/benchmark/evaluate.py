"""Ask a model a benchmark's questions, and once more with the pictures shuffled among them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from vlm.benchmark.base import Benchmark, Question

Answerer = Callable[[Sequence[tuple[str, Sequence[bytes]]], int], list[str]]
"""(text, images) of each question, and the number of new tokens, to answers."""


@dataclass(frozen=True)
class Evaluation:
    """What came out.

    Args:
        scores: `accuracy`, `accuracy/<kind>`, and the same of the control as `blind_accuracy`.
        predictions: One row for each question.
    """

    scores: dict[str, float]
    predictions: list[dict[str, Any]]


def evaluate(benchmark: Benchmark, answerer: Answerer, batch_size: int, seed: int) -> Evaluation:
    """Answer everything twice: as it is, and blind.

    The blind control gives each question another's pictures: what it still gets right needs no eyes.

    Raises:
        ValueError: The benchmark has no question.
    """
    questions = benchmark.questions()
    if not questions:
        raise ValueError("the benchmark has no question; give it shards")
    answers = _ask(questions, answerer, batch_size, benchmark.max_new_tokens)
    blind = _ask(shuffle_images(questions, seed), answerer, batch_size, benchmark.max_new_tokens)
    scores = benchmark.score(questions, answers)
    scores |= {f"blind_{name}": score for name, score in benchmark.score(questions, blind).items()}
    predictions = [
        {
            "key": question.key, "kind": question.kind, "question": question.text, "answer": question.answer,
            "prediction": answer, "right": benchmark.is_right(question, answer), "blind_prediction": unseeing,
        }
        for question, answer, unseeing in zip(questions, answers, blind, strict=True)
    ]  # fmt: skip
    return Evaluation(scores, predictions)


def shuffle_images(questions: Sequence[Question], seed: int) -> list[Question]:
    """Give each question the pictures of another, all in one cycle: none keeps its own."""
    order = list(range(len(questions)))
    Random(seed).shuffle(order)
    images = {here: questions[there].images for here, there in zip(order, order[1:] + order[:1], strict=True)}
    return [replace(question, images=images[number]) for number, question in enumerate(questions)]


def _ask(
    questions: Sequence[Question], answerer: Answerer, batch_size: int, max_new_tokens: int
) -> list[str]:
    """Ask in batches of about one length, and return the answers in the questions' order."""
    order = sorted(range(len(questions)), key=lambda number: len(questions[number].text))
    answers: dict[int, str] = {}
    for first in range(0, len(order), batch_size):
        numbers = order[first : first + batch_size]
        asked = [(questions[number].text, questions[number].images) for number in numbers]
        answers.update(zip(numbers, answerer(asked, max_new_tokens), strict=True))
    return [answers[number] for number in range(len(questions))]
