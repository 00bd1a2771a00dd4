"""A sentence on two devices, from the command line: it trains, fails, stops and goes on as on one."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
PAIR = ["devices=2", "trainer.tokens_per_row=150", "evaluation=none"]
LONG = ["stage=align_shapes", "trainer.max_steps=150", "trainer.checkpoint_every=5"]


def start(words: list[str], **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "vlm", "train", *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, text=True, env={**ENVIRONMENT, **environment}, **pipes)


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=240)
    return process.returncode, out, err


def weights(folder: Path) -> dict[str, torch.Tensor]:
    [file] = folder.glob("align-*/weights/projector.safetensors")
    return load_file(file)


def wait_for_state(process: subprocess.Popen[str], runs: Path) -> None:
    deadline = time.monotonic() + 120
    while not list(runs.glob("align-*/checkpoints/*/state.json")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_two_devices_say_and_leave_what_one_does(words: list[str], tmp_path: Path) -> None:
    alone = finish(start([*words, "evaluation=none", f"paths.runs={tmp_path}/alone"]))
    both = finish(start([*words, *PAIR]))
    assert (both[0], both[2]) == (0, ""), both[2]
    assert both[1].count("instruct: training") == 1
    assert both[1].count("weights changed") == alone[1].count("weights changed") == 3
    [first], [second] = (list((tmp_path / run).glob("instruct-*")) for run in ("alone", "runs"))
    assert first.name == second.name, "the number of devices changes no fingerprint"
    for part in ("projector", "llm"):
        ours, theirs = (load_file(path / f"weights/{part}.safetensors") for path in (second, first))
        assert all(torch.allclose(ours[name], theirs[name], atol=1e-4) for name in theirs)
    again = finish(start([*words, *PAIR]))
    assert again[1].count("nothing to train") == 2


def test_what_a_user_can_mend_is_one_line(words: list[str]) -> None:
    status, _, err = finish(start([*words, *PAIR, "stage.after=null", "stage.learns.llm=adapter"]))
    assert status == 2
    assert err.strip().splitlines() == [
        "vlm: error: stage.learns.llm=adapter, but adapter=none; choose adapter=lora128"
    ]


def stop(words: list[str], runs: Path, number: signal.Signals) -> tuple[int, int]:
    """Start a pair and ask it to stop; return its exit status and the step that it says it stopped at."""
    process = start([*words, *PAIR, *LONG])
    wait_for_state(process, runs)
    process.send_signal(number)
    status, out, err = finish(process)
    assert not err
    return status, int(re.search(r"stopped after step (\d+)", out)[1])


@pytest.mark.slow
def test_a_pair_that_is_asked_to_stop_saves_and_goes_on(words: list[str], tmp_path: Path) -> None:
    status, step = stop(words, tmp_path / "runs", signal.SIGTERM)
    assert status == 143
    code, out, err = finish(start([*words, *PAIR, *LONG]))
    assert (code, err) == (0, ""), err
    assert f"going on from step {step}" in out
    assert finish(start([*words, *PAIR, *LONG, f"paths.runs={tmp_path}/whole"]))[0] == 0
    whole, resumed = weights(tmp_path / "whole"), weights(tmp_path / "runs")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


@pytest.mark.slow
def test_a_person_may_stop_a_pair(words: list[str], tmp_path: Path) -> None:
    assert stop(words, tmp_path / "runs", signal.SIGINT)[0] == 130


@pytest.mark.slow
def test_two_machines_meet(words: list[str], tmp_path: Path) -> None:
    """Both of them here, with one device each."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    run = [*words, "nodes=2", f"trainer.rendezvous=localhost:{port}", "evaluation=none", "stage=align_shapes"]
    first, second = start(run), start(run)
    ends = [finish(process) for process in (first, second)]
    assert [(status, err) for status, _, err in ends] == [(0, ""), (0, "")]
    assert sorted("align  4/4" in out for _, out, _ in ends) == [False, True]
    assert weights(tmp_path / "runs")


def test_a_killed_device_ends_the_pair_in_one_line(words: list[str], tmp_path: Path) -> None:
    process = start([*words, *PAIR, *LONG])
    wait_for_state(process, tmp_path / "runs")
    victim = max(psutil.Process(process.pid).children(), key=lambda child: child.pid)
    victim.kill()
    status, _, err = finish(process)
    assert status == 2
    assert re.fullmatch(
        r"vlm: error: process \d was ended by SIGKILL, .* goes on from the last checkpoint", err.strip()
    )


def test_slurm_is_asked_to_start_a_preempted_job_again(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    scontrol = tmp_path / "bin/scontrol"
    scontrol.write_text(f"#!/bin/sh\necho $* > {tmp_path}/asked\n")
    scontrol.chmod(0o755)
    slurm = {"SLURM_JOB_ID": "17", "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    process = start([*words, *LONG, "evaluation=none", "trainer.requeue=true"], **slurm)
    wait_for_state(process, tmp_path / "runs")
    process.send_signal(signal.SIGUSR2)
    status, out, err = finish(process)
    assert (status, err) == (143, "")
    assert "asking Slurm to start job 17 again" in out
    assert (tmp_path / "asked").read_text() == "requeue 17\n"


@pytest.mark.parametrize(
    ("more", "environment", "message"),
    [
        (["devices=2"], {"RANK": "0", "WORLD_SIZE": "4"}, "is not the 4 processes that were started"),
        (["nodes=2"], {}, "say trainer.rendezvous=HOST:29400"),
        (["strategy=single", "devices=2"], {}, "strategy=single, but there are 2 devices"),
        (["resume=later"], {}, "resume=later must be auto, never, or a state of"),
    ],
)
def test_what_cannot_be_launched_is_named(
    more: list[str], environment: dict[str, str], message: str, words: list[str]
) -> None:
    status, _, err = finish(start([*words, "evaluation=none", "stage.after=null", *more], **environment))
    assert status == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.slow
def test_a_sweeps_cell_saves_when_the_sweep_is_stopped(words: list[str], tmp_path: Path) -> None:
    """And whoever listened for the signal, as submitit does, hears of it after the cell has saved."""
    script = (
        "import signal, sys\n"
        "from pathlib import Path\n"
        "from vlm.cli import main\n"
        "def hear(*_):\n"
        f"    states = list(Path('{tmp_path}').glob('runs/align-*/checkpoints/*/state.json'))\n"
        "    print('heard', max(int(s.parent.name) for s in states), flush=True)\n"
        "signal.signal(signal.SIGUSR2, hear)\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    run = ["train", "-m", *words, *LONG, "evaluation=none", "trainer.checkpoint_every=20", "seed=1"]
    process = subprocess.Popen(
        [sys.executable, "-c", script, *run], text=True, env=ENVIRONMENT, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    wait_for_state(process, tmp_path / "runs")
    process.send_signal(signal.SIGUSR2)
    _, out, _ = finish(process)
    stopped = re.search(r"stopped after step (\d+)", out)[1]
    assert f"heard {stopped}" in out


@pytest.mark.slow
def test_cells_on_several_devices_through_a_launcher(words: list[str], tmp_path: Path) -> None:
    """submitit's, without Slurm."""
    run = [
        "-m",
        *words,
        *PAIR,
        "stage=align_shapes",
        "hydra/launcher=submitit_local",
        "projector=linear,mlp2",
    ]
    status, _, err = finish(start(run))
    assert status == 0, err
    assert len(list(tmp_path.glob("runs/align-*/manifest.json"))) == 2
