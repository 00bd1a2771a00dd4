"""What is recorded can be found again, nested as it was run."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient
from PIL import Image

from vlm.tracking.mlflow import MLflowTracker
from vlm.tracking.view import View


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


def test_descriptions_are_notes(tracker: MLflowTracker) -> None:
    run = client(tracker).get_run(tracker.start("noted", "run", None, {}, {}, "What *it* is."))
    assert run.data.tags["mlflow.note.content"] == "What *it* is."
    tracker.describe("noted", "Why?")
    experiment = client(tracker).get_experiment(run.info.experiment_id)
    assert experiment.tags["mlflow.note.content"] == "Why?"
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    bare = client(tracker).get_run(tracker.start("noted", "run", None, {}, {}))
    assert "mlflow.note.content" not in bare.data.tags


def test_a_view_is_a_saved_view_of_the_experiment(tracker: MLflowTracker) -> None:
    view = View(
        "best", "demo: best", {"level": "cell"}, ("projector",), ("a/b",), "a/b", ("projector",), ("a/b",)
    )
    address = tracker.keep_view("viewed", view)
    experiment = client(tracker).get_experiment_by_name("viewed")
    assert experiment
    where = f"/#/experiments/{experiment.experiment_id}/runs?viewStateShareKey=best&compareRunsMode=TABLE"
    assert address == f"http://127.0.0.1:5000{where}&workflowType=machine_learning"
    saved = json.loads(experiment.tags["mlflow.sharedViewState.best"])
    assert saved["name"] == "demo: best"
    state = json.loads(saved["state"])
    assert state["searchFilter"] == "tags.`level` = 'cell'"
    assert (state["orderByKey"], state["orderByAsc"]) == ("metrics.`a/b`", False)
    assert state["selectedColumns"] == ["params.`projector`", "metrics.`a/b`"]
    assert state["groupBy"]["groupByKeys"] == [{"mode": "param", "groupByData": "projector"}]
    assert [chart["metricKey"] for chart in state["compareRunCharts"]] == ["a/b"]
    tracker.keep_view("viewed", replace(view, title="demo: better", draws=True))
    tags = client(tracker).get_experiment(experiment.experiment_id).tags
    assert json.loads(tags["mlflow.sharedViewState.best"])["name"] == "demo: better"
