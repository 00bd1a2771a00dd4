"""What a score leaves behind, so that it can be believed: each answer, what was made of it, and how."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlm.benchmark.evaluate import Evaluation
from vlm.run.folder import write_json, write_lines
from vlm.study.scores import PlannedEvaluation


def keep(planned: PlannedEvaluation, evaluation: Evaluation, how: Mapping[str, Any], seconds: float) -> None:
    """Write the score, its evidence before it."""
    write_lines(planned.predictions, evaluation.predictions)
    kept = {"name": planned.name, **evaluation.as_json(), "how": how, "seconds": round(seconds, 1)}
    write_json(planned.path, kept)


def upload(planned: PlannedEvaluation, evaluation: Evaluation) -> Path | None:
    """Write what the benchmark's own server reads, if it has one; return it."""
    said = [row["prediction"] or "" for row in evaluation.predictions]
    folder = planned.path.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    written = planned.benchmark.write_upload(evaluation.questions, said, folder)
    if written is None:
        folder.rmdir()
    return written
