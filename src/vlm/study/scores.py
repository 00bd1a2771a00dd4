"""Scores that are known already: a finished run is never asked the same questions twice."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from vlm.benchmark.base import Benchmark
from vlm.build_benchmarks import build_benchmark
from vlm.run.fingerprint import fingerprint
from vlm.sentence import PlannedStage
from vlm.values import Quantization

SCORING = 2
"""Raise this when a change of the code changes the scores that a model gets in all benchmarks."""
ELSEWHERE = {"shards", "folder", "made_by"}
"""Keys of a benchmark that say where it is, and nothing of what it is."""
UNASKED = {"benchmarks", "batch_size", "table_size", "every", "questions_in_training"}
"""Keys of an evaluation that no score depends on."""


@dataclass(frozen=True)
class PlannedEvaluation:
    """One benchmark to be asked of one run.

    Args:
        name: Of the benchmark in the sentence.
        benchmark: Built.
        identity: Everything that a score depends on but the run.
        path: Of the file that keeps the scores.
    """

    name: str
    benchmark: Benchmark
    identity: dict[str, Any]
    path: Path

    @property
    def predictions(self) -> Path:
        """The file that keeps what was said to each question, a line each."""
        return self.path.with_suffix(".predictions.jsonl")

    def answers(self, prompt_hash: str, decoding: Mapping[str, Any]) -> Path:
        """Return the folder that keeps answers: they outlive a change of what is made of them."""
        asked = {"content": self.identity["content"], "prompts": prompt_hash, "decoding": dict(decoding)}
        return self.path.parent / "answers" / f"{self.name}-{fingerprint(asked)}"

    def read(self) -> dict[str, Any] | None:
        """Return what is known, or None."""
        if not self.path.is_file():
            return None
        return cast(dict[str, Any], json.loads(self.path.read_text()))


def plan_evaluations(planned: PlannedStage, step: int | None = None) -> list[PlannedEvaluation]:
    """Return the benchmarks of the sentence, each with where its scores are kept.

    Args:
        planned: The outermost stage.
        step: Of a resumable state that is asked; None is the finished run.

    Raises:
        ValueError: A file of a benchmark is missing.
    """
    return plan_in(planned.config, scores_of(planned, step))


def scores_of(planned: PlannedStage, step: int | None) -> Path:
    """Return the folder of the scores of a run, or of one of its states."""
    return planned.folder.evaluations / (f"step-{step}" if step is not None else "")


def plan_in(config: DictConfig, folder: Path) -> list[PlannedEvaluation]:
    """Return the benchmarks of the sentence, their scores to be kept in the folder."""
    how = {key: value for key, value in _plain(config.evaluation).items() if key not in UNASKED}
    if how["quantization"] == Quantization.none.value:
        del how["quantization"]  # scores from before there was a choice stay known
    evaluations = []
    for name, node in config.evaluation.benchmarks.items():
        benchmark = build_benchmark(node)
        what = {key: value for key, value in _plain(node).items() if key not in ELSEWHERE}
        identity = {
            "benchmark": what,
            "version": benchmark.version,
            "content": benchmark.content(),
            "scoring": SCORING,
            "seed": config.seed,
            **how,
        }
        path = folder / f"{name}-{fingerprint(identity)}.json"
        evaluations.append(PlannedEvaluation(str(name), benchmark, identity, path))
    return evaluations


def known_metrics(evaluations: list[PlannedEvaluation]) -> dict[str, float]:
    """Return the scores that are known, as `benchmark/<name>/<metric>`."""
    return {
        f"benchmark/{evaluation.name}/{metric}": score
        for evaluation in evaluations
        for metric, score in (evaluation.read() or {"metrics": {}})["metrics"].items()
    }


def describe(evaluation: PlannedEvaluation) -> list[str]:
    """Return the lines that tell a known score: every metric with its interval, the controls, the counts."""
    known = evaluation.read()
    assert known is not None
    return describe_score(evaluation.name, known)


def describe_score(name: str, known: Mapping[str, Any]) -> list[str]:
    """Return the lines that tell a score as `scores.json` has it."""
    score, counts = known["score"], known["score"]["counts"]
    said = [f"{counts[word]} {word}" for word in counts if word != "questions"]
    lines = [f"{name}: {counts['questions']} questions, {', '.join(said)}"]
    if not score["metrics"]:
        lines.append("  no score: right answers are withheld, or nobody judges (judge=openai)")
    ordered = sorted(score["metrics"], key=lambda metric: (metric != score["headline"], metric))
    for metric in ordered:
        low, high = score["intervals"].get(metric, (float("nan"), float("nan")))
        lines.append(f"  {metric:<44} {score['metrics'][metric]:<9.5g} [{low:.4g}, {high:.4g}]")
    for control, its in known.get("controls", {}).items():
        if score["headline"] in its["metrics"]:
            lines.append(f"  {control:<44} {its['metrics'][score['headline']]:.5g}")
    return lines


def _plain(config: Any) -> dict[str, Any]:
    return cast(dict[str, Any], OmegaConf.to_container(config, resolve=True, enum_to_str=True))
