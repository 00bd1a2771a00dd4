"""Benchmarks, asked while a run trains."""

from pathlib import Path

from mlflow import MlflowClient
from safetensors.torch import load_file

from vlm.cli import main


def test_scores_come_by_step_and_training_does_not_notice(words: list[str], tmp_path: Path) -> None:
    run = [word for word in words if not word.startswith("tracking=")]
    run += ["stage.after=null", "twin=true", "adapter=lora64", "stage.learns.llm=adapter"]  # it has dropout
    quiz = ["evaluation.every=2", "evaluation.questions_in_training=5", "evaluation.questions=3"]
    assert main(["train", *run, *quiz]) == 0
    assert main(["train", *run, "evaluation=none", f"paths.runs={tmp_path}/without"]) == 0
    first, second = (
        next(tmp_path.glob(f"{name}/*/weights/llm/adapter_model.safetensors")) for name in ("runs", "without")
    )
    assert all((load_file(first)[name] == weight).all() for name, weight in load_file(second).items())

    client = MlflowClient(f"sqlite:///{tmp_path}/runs/mlflow.db")
    [experiment] = [found for found in client.search_experiments() if found.name == "default"]
    [stage] = client.search_runs([experiment.experiment_id], "tags.folder != ''")
    history = client.get_metric_history(stage.info.run_id, "benchmark/shapes/accuracy")
    assert [metric.step for metric in history] == [2, 4]
    asked = client.get_metric_history(stage.info.run_id, "benchmark/shapes/questions")
    assert {metric.value for metric in asked} == {5}
