"""The process of a cell: started, listened to, and stopped with the sweep."""

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache, partial

import psutil

from vlm.signals import STOP_SIGNALS, STOPPED, hearing, when_orphaned

CELL = "cell="
"""The word that only a sweep says."""
SWEEP_PROCESS = "VLM_SWEEP_PROCESS"
"""The variable that tells a launcher's workers whose they are."""


def run_process(command: Sequence[str]) -> tuple[int, str]:
    """Return a process's exit status and what it said of errors; it may save when this one is to stop."""
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)

    def ask_to_stop(number: int) -> None:
        process.send_signal(number)
        if number != signal.SIGINT:  # who sent it may end this process next
            process.wait()

    with hearing(ask_to_stop, then_as_before=True):
        _, said = process.communicate()
    return process.returncode, said


def was_stopped(status: int) -> bool:
    """Whether an exit status is that of a process that was asked to stop, ready to save or not yet."""
    return status in STOPPED or -status in STOP_SIGNALS


def why_failed(status: int, said: str) -> str:
    """Return in a line what a process died of.

    Args:
        status: Its exit status; a signal's is negative.
        said: What it said of errors.
    """
    if status < 0:
        name = signal.Signals(-status).name
        why = f"ended by {name}, perhaps for want of memory"
        return f"{why}; the same command goes on from the last checkpoint"
    lines = said.strip().splitlines() or [f"exit status {status}"]
    return lines[-1]


@cache
def follow_sweep() -> None:
    """Be a worker that ends when its sweep does, if this process is one that a launcher keeps for cells.

    It leaves the terminal's group, so that a sweep hears Ctrl-C alone and tells each cell once.
    """
    if os.environ.get(SWEEP_PROCESS) == str(os.getppid()):
        os.setpgid(0, 0)
        when_orphaned(partial(os._exit, 1))


def stop_cells(number: int) -> None:
    """Ask the cells that this process's workers run to stop; return when they have.

    Args:
        number: Of the signal.
    """
    cells = list(_cells_beneath(psutil.Process()))
    for cell in cells:
        with suppress(psutil.NoSuchProcess):
            cell.send_signal(number)
    psutil.wait_procs(cells)


def _cells_beneath(process: psutil.Process) -> Iterator[psutil.Process]:
    """Yield the outermost processes of cells; each passes on to its own what it hears."""
    for child in process.children():
        with suppress(psutil.NoSuchProcess):
            if any(word.startswith(CELL) for word in child.cmdline()):
                yield child
            else:
                yield from _cells_beneath(child)
