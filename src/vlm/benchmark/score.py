"""Answers to a score with its error."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from vlm.benchmark.base import Benchmark
from vlm.benchmark.question import Mark, Question

CONFIDENCE = 95
"""Per cent of the resamples that an interval holds."""


def is_scored(benchmark: Benchmark, questions: Sequence[Question]) -> bool:
    """Whether it is known what the answers are worth."""
    return benchmark.is_scored and all(question.answer is not None for question in questions)


@dataclass(frozen=True)
class Score:
    """What came of all answers.

    Args:
        headline: Name of the metric that models are compared by.
        metrics: By name.
        intervals: Of each metric, the lowest and the highest value that 95 % of the resamples hold.
        counts: Questions; how many were answered, missing, answered unreadably, answered several times.
    """

    headline: str
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    counts: dict[str, int]

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON writes it."""
        return asdict(self)


def score(
    benchmark: Benchmark,
    questions: Sequence[Question],
    answers: Mapping[str, str],
    resamples: int,
    seed: int,
    num_duplicated: int = 0,
) -> tuple[Score, list[Mark]]:
    """Mark every answer, and sum up; intervals are bootstrapped over pictures.

    A question without an answer is marked as one with an empty answer. Where nobody knows what is right,
    only the counts are known, and there are no marks.

    Args:
        benchmark: Whose scorer.
        questions: All that count.
        answers: By the questions' keys.
        resamples: Of an interval.
        seed: Of the resamples.
        num_duplicated: Answers that were left out since their question had one.
    """
    said = [answers.get(question.key, "") for question in questions]
    num_answered = sum(question.key in answers for question in questions)
    counts = {"questions": len(questions), "answered": num_answered}
    counts |= {"missing": len(questions) - num_answered, "duplicated": num_duplicated}
    if not is_scored(benchmark, questions):
        return Score(benchmark.headline, {}, {}, counts), []
    marks = benchmark.mark_all(questions, said)
    counts["unparseable"] = sum(
        mark.parsed is None and question.key in answers
        for question, mark in zip(questions, marks, strict=True)
    )
    tally = benchmark.tally(questions, marks)
    metrics = {name: float(column[0]) for name, column in benchmark.metrics(tally.sums()).items()}
    outside = (100 - CONFIDENCE) / 2
    intervals = {}
    for name, column in benchmark.metrics(tally.resampled(resamples, seed)).items():
        drawn = column[~np.isnan(column)]
        if len(drawn):
            low, high = np.percentile(drawn, [outside, 100 - outside])
            intervals[name] = (float(low), float(high))
    known = {name: value for name, value in metrics.items() if not np.isnan(value)}
    return Score(benchmark.headline, known, intervals, counts), marks
