"""Sweeps that nobody trained: folders as `vlm train -m` leaves them, with answers that are drawn."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import OmegaConf

from vlm.benchmark.base import Benchmark
from vlm.benchmark.evaluate import SEEN, Protocol, summarise
from vlm.benchmark.question import Question
from vlm.build_benchmarks import build_benchmark
from vlm.compose import compose_sentence
from vlm.study.evidence import keep
from vlm.study.outcome import Outcome
from vlm.study.scores import ELSEWHERE, PlannedEvaluation
from vlm.values import Control

POPE = ["evaluation=chosen", "+benchmark@evaluation.benchmarks.pope=pope"]
"""Words of a sentence with a benchmark whose headline is no mean."""
SPLITS = ("adversarial", "popular", "random")


@cache
def pope_of(*words: str) -> Any:
    """Return the settings of the sentence's POPE."""
    return compose_sentence(words).config.evaluation.benchmarks.pope


class MadeUp:
    """A sweep that is written cell by cell.

    Args:
        folder: Holds `runs`.
        name: Of the sweep.
        words: That all cells say.
    """

    def __init__(self, folder: Path, name: str = "made_up", words: Sequence[str] = POPE) -> None:
        self.runs, self.sweep = folder / "runs", folder / "runs/sweeps" / name
        self.words, self.number = list(words), 0

    def pope(self, num_pictures: int = 60) -> list[Question]:
        """Return questions, a picture in each split."""
        return [
            Question(f"{split}/{n}", split, "", (), "yes" if n % 2 else "no", images=f"picture-{n}")
            for split in SPLITS
            for n in range(num_pictures)
        ]

    def add(
        self,
        words: Sequence[str],
        skill: float,
        seed: int,
        questions: Sequence[Question] | None = None,
        manifest: dict[str, Any] | None = None,
        losses: dict[str, list[float]] | None = None,
    ) -> Outcome:
        """Write a cell that answers a share of the questions right; which are hard is the same for all.

        Args:
            words: Of the cell.
            skill: Share of right answers.
            seed: Of the draw.
            questions: Of POPE.
            manifest: What the run says of itself.
            losses: Of each source, one for each step.
        """
        run = self.runs / f"instruct-{self.number:012d}"
        run.mkdir(parents=True)
        (run / "manifest.json").write_text(json.dumps(manifest or {}))
        for step in range(len(next(iter((losses or {}).values()), []))):
            each = {source: values[step] for source, values in (losses or {}).items()}
            line = {"step": step + 1, "loss": float(np.mean(list(each.values()))), "losses": each}
            with (run / "trace.jsonl").open("a") as file:
                file.write(json.dumps(line) + "\n")
        overrides = [*self.words, *words]
        outcome = Outcome(overrides, [str(run)], seconds=100.0 + self.number)
        node = pope_of(*self.words)
        self._answer(outcome, run, build_benchmark(node), node, skill, seed, questions or self.pope())
        outcome.write(self.sweep / str(self.number))
        self.number += 1
        return outcome

    def _answer(
        self,
        outcome: Outcome,
        run: Path,
        benchmark: Benchmark,
        node: Any,
        skill: float,
        seed: int,
        questions: Sequence[Question],
    ) -> None:
        hard = np.random.default_rng(12345).random(len(questions))
        luck = np.random.default_rng(seed).normal(0, 0.15, len(questions))
        said = {
            question.key: question.answer if hard[n] + luck[n] < skill else
            {"yes": "no", "no": "yes"}[question.answer]
            for n, question in enumerate(questions)
        }  # fmt: skip
        benchmark.questions = lambda: list(questions)  # type: ignore[method-assign]
        protocol = Protocol(1, [Control.majority], None, 200, 0)
        evaluation = summarise(benchmark, {SEEN: said}, protocol)
        plain = OmegaConf.to_container(node, resolve=True, enum_to_str=True)
        made_by = {key: value for key, value in plain.items() if key not in ELSEWHERE}
        path = run / "evaluations/pope-abcdef012345.json"
        planned = PlannedEvaluation("pope", benchmark, {"benchmark": made_by}, path)
        keep(planned, evaluation, planned.identity, seconds=1.0)
        outcome.metrics = {f"benchmark/pope/{key}": value for key, value in evaluation.metrics.items()}
        outcome.headlines = {"pope": evaluation.score.headline}
        outcome.evaluations = {"pope": str(path.relative_to(run))}
