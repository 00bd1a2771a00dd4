"""Scores that are known already: a finished run is never asked the same questions twice."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from vlm.data.locate import content_hash, find_shards
from vlm.run.fingerprint import fingerprint
from vlm.sentence import PlannedStage

SCORING = 1
"""Raise this when a change of the code changes the scores that a model gets."""


@dataclass(frozen=True)
class PlannedEvaluation:
    """One benchmark to be asked of one run.

    Args:
        name: Of the benchmark in the sentence.
        config: Of the benchmark.
        path: Of the file that keeps the scores.
    """

    name: str
    config: DictConfig
    path: Path

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
    """
    evaluations = []
    folder = planned.folder.evaluations / (f"step-{step}" if step is not None else "")
    for name, config in planned.config.evaluation.benchmarks.items():
        identity = cast(dict[str, Any], OmegaConf.to_container(config, resolve=True))
        shards = find_shards(f"evaluation.benchmarks.{name}.shards", identity.pop("shards"))
        identity |= {"content": content_hash(shards), "scoring": SCORING, "seed": planned.config.seed}
        file = f"{name}-{fingerprint(identity)}.json"
        evaluations.append(PlannedEvaluation(str(name), config, folder / file))
    return evaluations


def known_metrics(evaluations: list[PlannedEvaluation]) -> dict[str, float]:
    """Return the scores that are known, as `benchmark/<name>/<metric>`."""
    return {
        f"benchmark/{evaluation.name}/{metric}": score
        for evaluation in evaluations
        for metric, score in (evaluation.read() or {"scores": {}})["scores"].items()
    }
