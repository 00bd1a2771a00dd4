"""What is recorded can be found again, nested as it was run."""

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient
from PIL import Image

from vlm.tracking.mlflow import MLflowTracker


@pytest.fixture(scope="module")
def tracker(tmp_path_factory: pytest.TempPathFactory) -> MLflowTracker:
    folder = tmp_path_factory.mktemp("mlflow")
    return MLflowTracker(f"sqlite:///{folder}/store/mlflow.db", f"{folder}/artifacts")


def client(tracker: MLflowTracker) -> MlflowClient:
    return MlflowClient(tracker.uri)


def test_runs_nest_and_keep_tags_and_params(tracker: MLflowTracker) -> None:
    parent = tracker.start("demo", "sweep", None, {}, {})
    child = tracker.start("demo", "cell", parent, {"projector": "mlp2"}, {"long": "x" * 9000, "seed": 1})
    tracker.log_metrics(child, {"benchmark/shapes/accuracy": 0.5})
    tracker.finish(child, succeeded=False)
    run = client(tracker).get_run(child)
    assert run.data.tags["mlflow.parentRunId"] == parent
    assert run.data.tags["projector"] == "mlp2"
    assert run.data.params["seed"] == "1"
    assert len(run.data.params["long"]) == 500
    assert run.data.metrics == {"benchmark/shapes/accuracy": 0.5}
    assert run.info.status == "FAILED"
    found = client(tracker).search_runs([run.info.experiment_id], "tags.projector = 'mlp2'")
    assert [row.info.run_id for row in found] == [child]


def test_more_params_than_one_request_takes(tracker: MLflowTracker) -> None:
    run = tracker.start("demo", "many", None, {}, {f"key{number}": number for number in range(250)})
    assert len(client(tracker).get_run(run).data.params) == 250


def test_a_table_keeps_its_pictures(tracker: MLflowTracker, tmp_path: Path) -> None:
    run = tracker.start("demo", "table", None, {}, {})
    rows = [{"image": Image.new("RGB", (8, 8), "red"), "question": "?", "right": True}]
    tracker.log_table(run, "predictions/shapes", rows)
    table = json.loads(Path(client(tracker).download_artifacts(run, "predictions/shapes.json")).read_text())
    assert table["columns"] == ["image", "question", "right"]
    picture = table["data"][0][0]
    assert picture["type"] == "image"
    assert Path(client(tracker).download_artifacts(run, picture["filepath"])).is_file()


def test_the_logger_writes_into_the_run(tracker: MLflowTracker) -> None:
    run = tracker.start("demo", "logged", None, {}, {})
    tracker.logger(run).log_metrics({"train/loss": 1.5}, step=3)
    [metric] = client(tracker).get_metric_history(run, "train/loss")
    assert (metric.value, metric.step) == (1.5, 3)
