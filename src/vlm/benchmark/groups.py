"""Counts of questions that are right only together: two about a picture, six orders of one drawing."""

from collections.abc import Sequence

import numpy as np

from vlm.benchmark.question import Mark, Question
from vlm.benchmark.tally import Column, Tally, by_kind


def tally_groups(questions: Sequence[Question], marks: Sequence[Mark]) -> Tally:
    """Return what is summed, each unit being a group of questions; one without a group is its own.

    The columns are, by the kind of a group's first question: `score` and `count` of its questions, `whole`,
    which is 1 if all of them are right, and `groups`, which is 1.
    """
    names = [question.group or question.key for question in questions]
    first: dict[str, Question] = {}
    for name, question in zip(names, questions, strict=True):
        first.setdefault(name, question)
    numbers = {name: number for number, name in enumerate(first)}
    rows = np.array([numbers[name] for name in names], dtype=np.intp)
    scores = np.array([mark.score for mark in marks], dtype=np.float64)
    score = np.bincount(rows, weights=scores, minlength=len(first)).astype(np.float64)
    count = np.bincount(rows, minlength=len(first)).astype(np.float64)
    kinds = [question.kind for question in first.values()]
    columns: dict[str, Column] = by_kind("score", kinds, score) | by_kind("count", kinds, count)
    columns |= by_kind("whole", kinds, (score == count).astype(np.float64))
    columns |= by_kind("groups", kinds, np.ones(len(first)))
    return Tally([question.cluster for question in first.values()], columns)
