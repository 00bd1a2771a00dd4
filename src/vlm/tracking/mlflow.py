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
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from vlm.tracking.base import Tracker

PARAM_LENGTH = 500  # characters that MLflow keeps; the whole config is an artifact
SQLITE = "sqlite:///"

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
    ) -> str:
        """Open a run."""
        parent_tag = {MLFLOW_PARENT_RUN_ID: parent} if parent else {}
        run = self.client.create_run(
            self._experiment_id(experiment), run_name=name, tags={**tags, **parent_tag}
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
        return str(self.client.create_experiment(name, artifact_location=location))

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
