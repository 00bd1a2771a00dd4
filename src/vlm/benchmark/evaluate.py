"""A benchmark from its questions to its score, with the controls that give the score a meaning."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlm.benchmark.ask import Answers, ask
from vlm.benchmark.base import Benchmark
from vlm.benchmark.controls import majority_answers, with_others_pictures, without_pictures
from vlm.benchmark.journal import Journal
from vlm.benchmark.question import Mark, Question
from vlm.benchmark.score import Score, is_scored, score
from vlm.values import Control

SEEN = "seen"
"""The pass over the questions as they are."""


@dataclass(frozen=True)
class Protocol:
    """How a benchmark is asked.

    Args:
        batch_size: Questions at once.
        controls: What is scored beside the model.
        num_questions: Ask so many, spread over all; None asks all.
        resamples: Of an interval.
        seed: Of resamples, shuffled pictures and words that are drawn.
    """

    batch_size: int
    controls: Sequence[Control]
    num_questions: int | None
    resamples: int
    seed: int


@dataclass(frozen=True)
class Evaluation:
    """What came out.

    Args:
        score: Of the model.
        controls: Scores of the controls, by name.
        questions: That were asked.
        predictions: One row for each question.
        prompt_hash: Of all questions' keys and texts.
    """

    score: Score
    controls: dict[str, Score]
    questions: list[Question]
    predictions: list[dict[str, Any]]
    prompt_hash: str

    @property
    def metrics(self) -> dict[str, float]:
        """Return all figures by name: the metrics, the headline's interval, each control's, the counts."""
        headline = self.score.headline
        found = dict(self.score.metrics)
        if headline in self.score.intervals:
            found[f"{headline}_low"], found[f"{headline}_high"] = self.score.intervals[headline]
        for name, control in self.controls.items():
            found |= {
                name if metric == headline else f"{name}_{metric}": value
                for metric, value in control.metrics.items()
            }
        return found | {name: float(count) for name, count in self.score.counts.items()}

    def as_json(self) -> dict[str, Any]:
        """Return what is kept of it beside the predictions."""
        controls = {name: score.as_json() for name, score in self.controls.items()}
        return {"metrics": self.metrics, "score": self.score.as_json(), "controls": controls}


def collect(
    benchmark: Benchmark, answers: Answers, protocol: Protocol, folder: Path, title: str
) -> dict[str, dict[str, str]]:
    """Ask everything, as it is and by the controls; what the folder's journals hold is not asked again.

    Every device of a group calls this and gets the same: answers by key, of each pass.

    Args:
        benchmark: What is asked.
        answers: Who is asked.
        protocol: How.
        folder: Of the journals.
        title: Says what is asked, to who looks on.

    Raises:
        ValueError: The benchmark has no question, or one cannot be asked.
    """
    everything = benchmark.questions()
    if not everything:
        raise ValueError("the benchmark has no question; give it data")
    passes = {SEEN: everything}
    controls = protocol.controls if benchmark.has_controls and is_scored(benchmark, everything) else []
    # Of all questions, so that an answer means the same whether all are asked or some.
    if Control.blind in controls:
        passes[Control.blind.value] = without_pictures(everything)
    if Control.shuffled in controls:
        passes[Control.shuffled.value] = with_others_pictures(everything, protocol.seed)
    return {
        name: ask(
            choose(questions, protocol.num_questions),
            answers,
            protocol.batch_size,
            Journal(folder, name),
            protocol.seed,
            f"{title}, {name}",
        )
        for name, questions in passes.items()
    }


def summarise(
    benchmark: Benchmark, said: Mapping[str, Mapping[str, str]], protocol: Protocol, num_duplicated: int = 0
) -> Evaluation:
    """Score every pass, and what the majority would have answered.

    Args:
        benchmark: Whose scorer.
        said: Answers by key, of each pass.
        protocol: How they were asked.
        num_duplicated: Answers that were left out since their question had one.

    Raises:
        ValueError: Answers may not be read.
    """
    everything = benchmark.questions()
    questions = choose(everything, protocol.num_questions)
    passes = dict(said)
    if Control.majority in protocol.controls and benchmark.has_majority and is_scored(benchmark, questions):
        passes[Control.majority.value] = majority_answers(benchmark, questions)
    settings = protocol.resamples, protocol.seed
    mine, marks = score(benchmark, questions, passes[SEEN], *settings, num_duplicated)
    controls = {
        name: score(benchmark, questions, passes[name], *settings)[0] for name in passes if name != SEEN
    }
    rows = prediction_rows(questions, passes, marks)
    return Evaluation(mine, controls, questions, rows, prompt_hash(everything))


def choose(questions: Sequence[Question], number: int | None) -> list[Question]:
    """Return so many questions, spread evenly over all, and what is right only with them.

    Args:
        questions: All.
        number: None, or more than there are, is all.
    """
    if number is None or number >= len(questions):
        return list(questions)
    chosen = {place * len(questions) // number for place in range(number)}
    groups = {questions[place].group for place in chosen} - {""}
    return [
        question for place, question in enumerate(questions) if place in chosen or question.group in groups
    ]


def prompt_hash(questions: Sequence[Question]) -> str:
    """Return a hash of what is asked, to tell scores apart that were asked for in other words."""
    asked = [[question.key, question.text] for question in questions]
    return hashlib.sha256(json.dumps(asked, ensure_ascii=False).encode()).hexdigest()[:16]


def prediction_rows(
    questions: Sequence[Question], said: Mapping[str, Mapping[str, str]], marks: Sequence[Mark]
) -> list[dict[str, Any]]:
    """Return one row for each question: what was asked, what is right, what was said and what it is worth.

    Args:
        questions: That were asked.
        said: Answers by key, of each pass; `SEEN` is the model's, the others are controls'.
        marks: Of the model's answers; none where the right ones are withheld.
    """
    rows = []
    for number, question in enumerate(questions):
        row = {
            "key": question.key, "kind": question.kind, "cluster": question.cluster, "group": question.group,
            "question": question.text, "answer": question.answer,
            "prediction": said[SEEN].get(question.key),
        }  # fmt: skip
        if marks:
            row |= vars(marks[number])
        rows.append(
            row | {f"{name}_prediction": said[name].get(question.key) for name in said if name != SEEN}
        )
    return rows
