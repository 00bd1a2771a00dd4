"""MLflow: a sweep is a parent run, a cell its child, a stage a child of the cell."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # no git on the machine is no reason to complain

import mlflow
from lightning.pytorch.loggers import MLFlowLogger
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NOTE

from vlm.tracking.base import Tracker
from vlm.tracking.mlflow_view import KEY, VIEW_TAG, write_view
from vlm.tracking.view import View

PARAM_LENGTH = 500  # characters that MLflow keeps; the whole config is an artifact
SQLITE = "sqlite:///"
KIND = {"mlflow.experimentKind": "custom_model_development"}
"""Shows runs and charts first; without it, MLflow's page guesses, or shows what is made for chats."""
TRAINING = "workflowType=machine_learning"
"""The same of the address: the page remembers which of the two a browser has seen last."""
LOCAL = "http://127.0.0.1:5000"
"""Where `make ui` shows a local store."""

logging.getLogger("alembic").setLevel(logging.WARNING)
logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)


class MLflowTracker(Tracker):
    """Write into an MLflow store.

    Args:
        uri: Of the tracking store; `sqlite:///PATH` is made if it is missing.
        artifacts: Folder where a new experiment of a local store keeps its files.
    """

    def __init__(self, uri: str, artifacts: str) -> None:
        self.uri, self.artifacts = uri, artifacts
        if uri.startswith(SQLITE):
            Path(uri.removeprefix(SQLITE)).parent.mkdir(parents=True, exist_ok=True)
        mlflow.set_tracking_uri(uri)
        self.client = MlflowClient(uri)

    def start(
        self,
        experiment: str,
        name: str,
        parent: str | None,
        tags: Mapping[str, str],
        params: Mapping[str, Any],
        description: str = "",
    ) -> str:
        """Open a run."""
        own = {MLFLOW_PARENT_RUN_ID: parent, MLFLOW_RUN_NOTE: description}
        run = self.client.create_run(
            self._experiment_id(experiment),
            run_name=name,
            tags={**tags, **{key: value for key, value in own.items() if value}},
        )
        run_id = str(run.info.run_id)
        entries = [Param(key, str(value)[:PARAM_LENGTH]) for key, value in params.items()]
        for first in range(0, len(entries), 100):  # MLflow takes a hundred at once
            self.client.log_batch(run_id, params=entries[first : first + 100])
        return run_id

    def _experiment_id(self, name: str) -> str:
        experiment = self.client.get_experiment_by_name(name)
        if experiment:
            return str(experiment.experiment_id)
        local = self.uri.startswith(SQLITE)
        location = (Path(self.artifacts).resolve() / name).as_uri() if local else None
        return str(self.client.create_experiment(name, artifact_location=location, tags=KIND))

    def describe(self, experiment: str, question: str) -> None:
        """Write the experiment's note."""
        self.client.set_experiment_tag(self._experiment_id(experiment), MLFLOW_RUN_NOTE, question)

    def keep_view(self, experiment: str, view: View) -> str:
        """Write a saved view, which the page of the experiment offers by its name."""
        number = self._experiment_id(experiment)
        self.client.set_experiment_tag(number, f"{VIEW_TAG}{view.key}", write_view(view))
        page = self.uri.rstrip("/") if self.uri.startswith("http") else LOCAL
        return f"{page}/#/experiments/{number}/runs?{KEY}={view.key}&compareRunsMode={view.mode}&{TRAINING}"

    def log_metrics(self, run: str, metrics: Mapping[str, float]) -> None:
        """Record final figures, at step 0."""
        self.client.log_batch(run, metrics=[Metric(key, value, 0, 0) for key, value in metrics.items()])

    def tag(self, run: str, tags: Mapping[str, str]) -> None:
        """Add tags."""
        self.client.log_batch(run, tags=[RunTag(key, value) for key, value in tags.items()])

    def log_artifact(self, run: str, path: Path) -> None:
        """Keep a file, or a folder's files."""
        if path.is_dir():
            self.client.log_artifacts(run, str(path))
        else:
            self.client.log_artifact(run, str(path))

    def log_table(self, run: str, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Keep a table."""
        columns = {key: [row[key] for row in rows] for key in rows[0]} if rows else {}
        self.client.log_table(run, columns, artifact_file=f"{name}.json")

    def tags(self, run: str) -> Mapping[str, str]:
        """Ask the store."""
        try:
            return dict(self.client.get_run(run).data.tags)
        except MlflowException as error:
            raise ValueError(f"{self.uri} has no run {run}; see vlm's runs: make ui") from error

    def finish(self, run: str, succeeded: bool) -> None:
        """Close a run."""
        self.client.set_terminated(run, "FINISHED" if succeeded else "FAILED")

    def logger(self, run: str) -> MLFlowLogger:
        """Return a Lightning logger that writes into the run."""
        return MLFlowLogger(run_id=run, tracking_uri=self.uri)
