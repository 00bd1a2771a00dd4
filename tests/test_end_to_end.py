"""The whole way in fresh processes: sweep, evaluate, report, kill and go on."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient
from safetensors.torch import load_file

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def vlm(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vlm", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=ENVIRONMENT)


@pytest.fixture
def real(words: list[str]) -> list[str]:
    """Words of a run that is tracked."""
    return [word for word in words if not word.startswith("tracking=")] + ["stage.after.batch_size=4"]


def test_a_sweep_trains_scores_records_and_reports(real: list[str], tmp_path: Path) -> None:
    sweep = vlm("train", "-m", "projector=linear,mlp2", "name=both", *real)
    assert sweep.returncode == 0, sweep.stderr
    report = vlm("report", "name=both", f"runs={tmp_path}/runs", f"output={tmp_path}/report")
    assert report.returncode == 0, report.stderr
    cells = json.loads((tmp_path / "report/report.json").read_text())["cells"]
    assert [cell["overrides"][0] for cell in cells] == ["projector=linear", "projector=mlp2"]
    for cell in cells:
        assert [Path(folder).name.split("-")[0] for folder in cell["run_folders"]] == ["align", "instruct"]
        for name in ("accuracy", "accuracy_low", "blind", "shuffled", "majority", "blind_accuracy/count"):
            assert 0 <= cell["metrics"][f"benchmark/shapes/{name}"] <= 1
        assert cell["seconds"] > 0

    client = MlflowClient(f"sqlite:///{tmp_path}/runs/mlflow.db")
    [experiment] = [found for found in client.search_experiments() if found.name == "both"]
    runs = {run.info.run_id: run for run in client.search_runs([experiment.experiment_id])}
    parents = [run.data.tags.get("mlflow.parentRunId") for run in runs.values()]
    [root] = [key for key, parent in zip(runs, parents, strict=True) if parent is None]
    children = [key for key, parent in zip(runs, parents, strict=True) if parent == root]
    stages = [runs[key] for key, parent in zip(runs, parents, strict=True) if parent in children]
    assert len(children) == 2
    assert sorted(run.data.tags["stage"] for run in stages) == ["align", "align", "instruct", "instruct"]
    assert all("train/loss" in run.data.metrics for run in stages)
    for run in stages:
        kept = {artifact.path for artifact in client.list_artifacts(run.info.run_id)}
        assert kept == {"config.yaml", "manifest.json", "trace.jsonl"}
    assert all("benchmark/shapes/accuracy" in runs[key].data.metrics for key in children)
    assert {runs[key].data.params["projector"] for key in children} == {"linear", "mlp2"}

    again = vlm("train", "-m", "projector=linear,mlp2", "name=both", *real)
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("nothing to train") == 4


def test_a_failing_cell_stops_no_other(words: list[str], tmp_path: Path) -> None:
    sweep = vlm(
        "train", "-m", "stage.learns.projector=frozen,full", "stage=align_shapes", "evaluation=none", *words
    )
    assert sweep.returncode == 1
    assert "nothing to learn" in sweep.stderr
    cells = [
        json.loads(path.read_text()) for path in sorted(tmp_path.glob("runs/sweeps/default/*/outcome.json"))
    ]
    assert ["nothing to learn" in (cell["error"] or "") for cell in cells] == [True, False]


KINDS = {
    "align": ["stage=align_shapes"],
    "full": ["stage.after=null", "twin=true"],
    "lora": ["stage.after=null", "twin=true", "adapter=lora64", "stage.learns.llm=adapter"],
}


@pytest.mark.parametrize(
    "kind", [kind if kind == "full" else pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS]
)
def test_a_killed_run_goes_on_to_the_same_weights(kind: str, words: list[str], tmp_path: Path) -> None:
    long = [*words, *KINDS[kind], "evaluation=none", "trainer.max_steps=250", "trainer.checkpoint_every=5"]
    process = subprocess.Popen([sys.executable, "-m", "vlm", "train", *long], env=ENVIRONMENT)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("runs/*/checkpoints/*/state.json")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(random.random())
    process.send_signal(signal.SIGKILL)
    process.wait()
    [folder] = tmp_path.glob("runs/*-*")
    assert not (folder / "manifest.json").exists()
    resumed = vlm("train", *long)
    assert resumed.returncode == 0, resumed.stderr
    assert "going on from step" in resumed.stdout
    whole = vlm("train", *long, f"paths.runs={tmp_path}/whole")
    assert whole.returncode == 0, whole.stderr
    files = sorted(folder.rglob("weights/**/*.safetensors"))
    assert files
    for file in files:
        first, second = load_file(file), load_file(tmp_path / "whole" / file.relative_to(tmp_path / "runs"))
        assert all((first[name] == second[name]).all() for name in first)


def test_evaluate_scores_a_finished_run_and_only_that(words: list[str]) -> None:
    asked = vlm("evaluate", *words)
    assert asked.returncode != 0
    assert "is not trained; run: vlm train" in asked.stderr
    assert vlm("train", *words, "evaluation=none").returncode == 0
    asked = vlm("evaluate", *words)
    assert asked.returncode == 0, asked.stderr
    assert "shapes: " in asked.stdout
    assert "0 missing" in asked.stdout
    assert "  shuffled " in asked.stdout
    assert "scores are known" in vlm("evaluate", *words).stdout


@pytest.mark.slow
def test_two_devices_say_what_one_does_and_a_killed_evaluation_goes_on(
    words: list[str], tmp_path: Path
) -> None:
    assert vlm("train", *words, "evaluation=none").returncode == 0
    chosen = [*words, "evaluation.questions=20", "evaluation.batch_size=7"]
    alone = vlm("evaluate", *chosen)
    assert alone.returncode == 0, alone.stderr
    [first] = tmp_path.glob("runs/instruct-*/evaluations/*.predictions.jsonl")
    said = first.read_text()
    for path in tmp_path.glob("runs/instruct-*/evaluations/answers/*/seen-0.jsonl"):
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:8]))  # as a kill leaves it
    first.with_name(first.name.replace(".predictions.jsonl", ".json")).unlink()
    first.unlink()
    both = vlm("evaluate", *chosen, "devices=2")
    assert both.returncode == 0, both.stderr
    assert first.read_text() == said
    told = [[line for line in run.stdout.splitlines() if "answers/s" not in line] for run in (alone, both)]
    assert told[0] == told[1]
    files = sorted(tmp_path.glob("runs/instruct-*/evaluations/answers/*/seen-*.jsonl"))
    assert [path.name for path in files] == ["seen-0.jsonl", "seen-1.jsonl"]
    assert sum(len(path.read_text().splitlines()) for path in files) == 20


def test_the_loss_falls(words: list[str], tmp_path: Path) -> None:
    run = [word for word in words if "max_steps" not in word and "tracking" not in word]
    trained = vlm("train", *run, "stage=align_shapes", "stage.steps=30", "stage.batch_size=16",
                  "evaluation=none", "trainer.log_every=1")  # fmt: skip
    assert trained.returncode == 0, trained.stderr
    client = MlflowClient(f"sqlite:///{tmp_path}/runs/mlflow.db")
    [experiment] = [found for found in client.search_experiments() if found.name == "default"]
    stage = client.search_runs([experiment.experiment_id], "tags.stage = 'align' and tags.folder != ''")[0]
    losses = [metric.value for metric in client.get_metric_history(stage.info.run_id, "train/loss")]
    assert len(losses) == 30
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])
