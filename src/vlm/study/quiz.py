"""Benchmarks, asked while a run trains: a few questions of each at intervals."""

from collections.abc import Callable, Mapping

import lightning

from vlm.benchmark.ask import by_length, prompt_of
from vlm.benchmark.base import Benchmark
from vlm.benchmark.evaluate import choose
from vlm.benchmark.score import score
from vlm.data.steps import Step
from vlm.model.generate import Answerer
from vlm.training.callback import TaskCallback, is_time
from vlm.training.task import Task
from vlm.training.validation import unlearning

Ask = Callable[[Task, int], Answerer]
"""A task's model and the number of new tokens, to what answers."""


class Quiz(TaskCallback):
    """Score the model on some questions of each benchmark, as `benchmark/<name>/<metric>` by step.

    Args:
        benchmarks: By name.
        ask: Makes what answers.
        every: Steps between.
        num_questions: Of each benchmark, spread over all.
        batch_size: Questions at once.
        seed: Of words that are drawn.
    """

    def __init__(
        self,
        benchmarks: Mapping[str, Benchmark],
        ask: Ask,
        every: int,
        num_questions: int,
        batch_size: int,
        seed: int,
    ) -> None:
        self.benchmarks, self.ask, self.every = benchmarks, ask, every
        self.batch_size, self.seed = batch_size, seed
        self.questions = {
            name: by_length(choose(benchmark.questions(), num_questions))
            for name, benchmark in benchmarks.items()
        }

    def after_step(self, trainer: lightning.Trainer, task: Task, step: Step) -> None:
        """Ask, if it is time; every device asks the same, since all must compute together."""
        if not is_time(task, self.every):
            return
        metrics: dict[str, float] = {}
        with unlearning(task, trainer):
            for name in self.benchmarks:
                metrics |= self._score(task, name)
        if trainer.logger:
            trainer.logger.log_metrics(metrics, step=task.step)

    def _score(self, task: Task, name: str) -> dict[str, float]:
        benchmark, questions = self.benchmarks[name], self.questions[name]
        answerer = self.ask(task, benchmark.max_new_tokens)
        answers: dict[str, str] = {}
        for first in range(0, len(questions), self.batch_size):
            batch = questions[first : first + self.batch_size]
            said = answerer([prompt_of(question, self.seed) for question in batch])
            answers.update(zip([question.key for question in batch], said, strict=True))
        found, _ = score(benchmark, questions, answers, resamples=0, seed=self.seed)
        figures = found.metrics | {metric: float(count) for metric, count in found.counts.items()}
        return {f"benchmark/{name}/{metric}": value for metric, value in figures.items()}
