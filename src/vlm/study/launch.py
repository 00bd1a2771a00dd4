"""Start a sentence as a group of processes, one for each device, through torchrun's agent.

The processes are fresh `vlm`s that find their place in the environment; this one waits, passes
signals on, and turns the first failure into the line that a single process would have printed.
"""

import hashlib
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence

import psutil
from omegaconf import DictConfig
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from vlm.signals import STOPPED, hearing

PORT = 29400
SECONDS_TO_DIE = 30
"""Of the other processes, after one has failed."""


def launch(config: DictConfig, overrides: Sequence[str], verb: str = "train") -> int:
    """Run a verb on all devices; return its exit status.

    Raises:
        ValueError: What the first process that failed said.
    """
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    agent = elastic_launch(_settings(config, overrides), sys.executable)
    try:
        with hearing(_ask_to_stop):
            agent("-m", "vlm", verb, *overrides)
    except ChildFailedError as failed:
        return _failed(failed.failures)
    return 0


def _failed(failures: Mapping[int, ProcessFailure]) -> int:
    """Return the exit status of a group that did not succeed; what others met when one died is no news.

    Raises:
        ValueError: What the process that failed first said.
    """
    stopped = [failure.exitcode for failure in failures.values() if failure.exitcode in STOPPED]
    if stopped:
        return max(stopped)
    for failure in failures.values():
        if failure.error_file_data.get("users"):
            raise ValueError(failure.message)
    for rank, failure in failures.items():
        if failure.exitcode >= 0 or failure.exitcode == -signal.SIGTERM:  # which is how the others are ended
            continue
        raise ValueError(
            f"process {rank} was ended by {signal.Signals(-failure.exitcode).name}, perhaps for want of "
            "memory; the same command goes on from the last checkpoint"
        )
    first = min(failures.values(), key=lambda failure: failure.timestamp)
    print(first.message, file=sys.stderr)
    return 1


def _settings(config: DictConfig, overrides: Sequence[str]) -> LaunchConfig:
    words = hashlib.sha256(" ".join(overrides).encode()).hexdigest()[:12]
    return LaunchConfig(
        min_nodes=config.nodes,
        max_nodes=config.nodes,
        nproc_per_node=config.devices,
        run_id=os.environ.get("SLURM_JOB_ID", words),
        rdzv_backend="c10d",
        rdzv_endpoint=_meeting_point(config),
        max_restarts=0,
        signals_to_handle="SIGQUIT",  # ours are the others
        shutdown_timeout=SECONDS_TO_DIE,
    )


def _meeting_point(config: DictConfig) -> str:
    """Return where the machines find each other: as the sentence says, or the first one of a Slurm job.

    Raises:
        ValueError: Nobody says.
    """
    if config.nodes == 1:
        return "localhost:0"
    if config.trainer.rendezvous:
        return str(config.trainer.rendezvous)
    names = os.environ.get("SLURM_JOB_NODELIST")
    if not names:
        raise ValueError(
            f"nodes={config.nodes}, but trainer.rendezvous is null and there is no Slurm job; say "
            f"trainer.rendezvous=HOST:{PORT} with the same words on every machine"
        )
    command = ["scontrol", "show", "hostnames", names]
    first = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[0]
    return f"{first}:{PORT + int(os.environ['SLURM_JOB_ID']) % 1000}"


def _ask_to_stop(number: int) -> None:
    for child in psutil.Process().children():
        child.send_signal(number)
