"""Sweeps: through every launcher, shared stages once, and on again after failures, stops and kills."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.study.cells import make_slurm, pretend, train_here
from vlm.cli import main
from vlm.study.outcome import Outcome
from vlm.study.report import write_report

ALIGN = ["stage=align_shapes", "evaluation=none"]
LONG = [*ALIGN, "trainer.max_steps=150", "trainer.checkpoint_every=5"]
FAILS_OR_NOT = "trainer.keep_best=true,false"
"""The one is refused, since nothing is held out; the other changes nothing."""
LAUNCHERS = {
    "submitit_slurm": ["cluster=slurm", "devices=1"],
    "joblib": ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"],
    "submitit_local": ["hydra/launcher=submitit_local", "hydra.launcher.timeout_min=5"],
    "basic": ["hydra/launcher=basic"],
}


def start(*words: str, path: str = "", out: Path | None = None) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PATH": f"{path}:{os.environ['PATH']}"}
    command = [sys.executable, "-m", "vlm", "train", *words]
    said = out.open("w") if out else subprocess.PIPE
    return subprocess.Popen(command, text=True, env=environment, stdout=said, stderr=subprocess.PIPE)


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=200)
    return process.returncode, out, err


def wait_until(happened: Callable[[], object], *processes: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not happened():
        assert all(process.poll() is None for process in processes)
        assert time.monotonic() < deadline
        time.sleep(0.05)


def states(runs: Path) -> set[str]:
    return {path.parents[2].name for path in runs.glob("align-*/checkpoints/*/state.json")}


def outcomes(folder: Path) -> list[Outcome | None]:
    return [Outcome.read(folder / str(number)) for number in range(2)]


@pytest.mark.slow
def test_every_launcher_runs_what_is_missing_and_a_failure_stops_nothing(
    words: list[str], tmp_path: Path
) -> None:
    """Slurm's trains one cell; the others find it done, and try the one that fails again."""
    make_slurm(tmp_path / "bin")
    trained = []
    for launcher, chosen in LAUNCHERS.items():
        began = time.time()
        status, out, err = finish(start("-m", FAILS_OR_NOT, *words, *ALIGN, *chosen, path=f"{tmp_path}/bin"))
        assert status == 1, (launcher, out, err)
        folder = tmp_path / "runs/sweeps/default"
        failed, done = outcomes(folder)
        assert failed is not None
        assert done is not None
        assert "no source holds out samples" in failed.error, launcher
        assert "no source holds out samples" in err, launcher
        assert done.error is None, launcher
        assert (folder / "0/outcome.json").stat().st_mtime > began - 1, launcher
        [manifest] = tmp_path.glob("runs/align-*/manifest.json")
        trained.append(manifest.stat().st_mtime_ns)
    assert len(set(trained)) == 1
    assert "nothing to train" in out
    assert "#SBATCH --array=0-1%" in (tmp_path / "bin/submitted.sh").read_text()


def test_a_stage_that_parallel_cells_share_is_trained_once(words: list[str], tmp_path: Path) -> None:
    axis = "stage.optimizer.learning_rate=1e-3,2e-3"
    run = [*words, "stage.after.batch_size=4", "evaluation=none", *LAUNCHERS["joblib"]]
    status, out, err = finish(start("-m", axis, *run))
    assert status == 0, err
    assert out.count("align: training") == 1
    assert out.count("instruct: training") == 2
    assert len(list(tmp_path.glob("runs/align-*/manifest.json"))) == 1


def test_of_two_at_the_same_instant_one_trains_and_the_other_waits(words: list[str], tmp_path: Path) -> None:
    ends = [finish(process) for process in [start(*words, *LONG) for _ in range(2)]]
    assert [(status, err) for status, _, err in ends] == [(0, ""), (0, "")]
    assert sorted("align: training" in out for _, out, _ in ends) == [False, True]
    [waited] = [out for _, out, _ in ends if "align: training" not in out]
    assert re.search(r"align-\w+ is being trained by process \d+ on .*; waiting for it", waited)
    assert len(list(tmp_path.glob("runs/align-*/manifest.json"))) == 1


def test_who_waits_takes_over_when_the_trainer_is_killed(words: list[str], tmp_path: Path) -> None:
    logs = [tmp_path / "first", tmp_path / "second"]
    both = [start(*words, *LONG, out=log) for log in logs]
    said = re.compile(r"is being trained by process (\d+) on ")
    wait_until(lambda: states(tmp_path / "runs") and said.search("".join(map(Path.read_text, logs))), *both)
    owner = int(said.search("".join(map(Path.read_text, logs)))[1])
    [trainer], [other] = (
        [one for one in both if (one.pid == owner) is is_owner] for is_owner in (True, False)
    )
    trainer.send_signal(signal.SIGKILL)  # and it is not waited for: a zombie holds nothing
    status, _, err = finish(other)
    assert (status, err) == (0, "")
    assert "going on from step" in logs[both.index(other)].read_text()
    assert finish(trainer)[0] == -signal.SIGKILL
    assert list(tmp_path.glob("runs/align-*/manifest.json"))


@pytest.mark.slow
def test_parallel_cells_save_when_their_sweep_is_stopped(words: list[str], tmp_path: Path) -> None:
    process = start("-m", "seed=1,2,3", *words, *LONG, *LAUNCHERS["joblib"])
    wait_until(lambda: len(states(tmp_path / "runs")) == 2, process)
    process.send_signal(signal.SIGTERM)
    status, out, err = finish(process)
    assert (status, err) == (143, "")
    assert out.count("stopped after step") == 2
    assert "the same command goes on from there" in out
    assert "cell 2:" not in out


@pytest.mark.slow
def test_nobody_is_left_behind_by_a_sweep_that_is_killed_and_it_goes_on(
    words: list[str], tmp_path: Path
) -> None:
    run = ["-m", "seed=1,2", *words, *LONG, *LAUNCHERS["joblib"]]
    process = start(*run)
    wait_until(lambda: len(states(tmp_path / "runs")) == 2, process)
    beneath = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not psutil.wait_procs(beneath, timeout=20)[1]
    assert not list(tmp_path.glob("runs/align-*/manifest.json"))
    status, out, err = finish(start(*run))
    assert status == 0, err
    assert out.count("going on from step") == 2
    assert len(list(tmp_path.glob("runs/align-*/manifest.json"))) == 2


def test_mixtures_share_what_they_start_from_and_the_report_says_what_was_saved(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train_here(monkeypatch)
    axes = ["mixture.count.weight=0.25,0.5,0.75,1", "seed=1,2"]
    run = ["train", "-m", *axes, *words, "stage.after.batch_size=4", "trainer.max_steps=1", "evaluation=none"]
    assert main(run) == 0
    assert capsys.readouterr().out.count("align: training") == 2
    runs = tmp_path / "runs"
    manifests = [json.loads(path.read_text()) for path in runs.glob("align-*/manifest.json")]
    assert len(manifests) == 2
    assert len(list(runs.glob("instruct-*/manifest.json"))) == 8
    write_report(runs / "sweeps/default", tmp_path / "report")
    assert "- align was trained 2 times and used by 8 cells; " in (tmp_path / "report/report.md").read_text()
    [shared] = json.loads((tmp_path / "report/report.json").read_text())["shared_stages"]
    assert shared["seconds"] == pytest.approx(3 * sum(manifest["seconds"] for manifest in manifests))


def test_a_smaller_grid_forgets_the_cells_of_a_larger_one(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, lambda _: 0.5)
    for seeds, count in (("1,2,3", 3), ("1,2", 2)):
        assert main(["train", "-m", f"seed={seeds}", *words]) == 0
        assert len(list(tmp_path.glob("runs/sweeps/default/*/outcome.json"))) == count


def test_a_cell_that_was_killed_is_said_to_have_been(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, lambda _: 0.5)
    monkeypatch.setattr("vlm.study.sweep.run_process", lambda _: (-9, "a warning"))
    assert main(["train", "-m", "seed=1,2", *words]) == 1
    errors = [outcome.error for outcome in outcomes(tmp_path / "runs/sweeps/default") if outcome]
    assert len(errors) == 2
    assert all(error.startswith("ended by SIGKILL") for error in errors)
