"""Two processes that train together over gloo, started once for all tests of a module."""

import os
import socket
import sys
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from torch import multiprocessing

ROOT = Path(__file__).resolve().parents[2]


class Pair:
    """Runs a function on both ranks of a group.

    The functions must be importable; what they return is pickled.
    """

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        with socket.socket() as free:
            free.bind(("localhost", 0))
            port = free.getsockname()[1]
        self.ends, self.processes = [], []
        sys.path.insert(0, str(ROOT))  # spawned processes look for this module where their parent would
        for rank in range(2):
            here, there = context.Pipe()
            process = context.Process(target=_serve, args=(rank, port, there), daemon=True)
            process.start()
            self.ends.append(here)
            self.processes.append(process)
        sys.path.remove(str(ROOT))

    def run(self, function: Callable[..., Any], *arguments: Any, seconds: float = 240) -> list[Any]:
        """Return what both ranks' calls return.

        Raises:
            RuntimeError: One failed; its traceback.
            TimeoutError: One hangs.
        """
        for end in self.ends:
            end.send((function, arguments))
        answers = []
        for end in self.ends:
            if not end.poll(seconds):
                raise TimeoutError(f"{function.__name__} hangs")
            answers.append(end.recv())
        for failed, answer in answers:
            if failed:
                raise RuntimeError(answer)
        return [answer for _, answer in answers]

    def close(self) -> None:
        """End both."""
        for process in self.processes:
            process.terminate()


def _serve(rank: int, port: int, end: Connection) -> None:
    os.environ |= {
        "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2",
        "GROUP_RANK": "0", "MASTER_ADDR": "localhost", "MASTER_PORT": str(port),
        "TORCHELASTIC_RUN_ID": "pair",
    }  # fmt: skip
    torch.set_num_threads(1)
    from vlm import ranks
    from vlm.quiet import quiet_libraries

    quiet_libraries()
    with ranks.joined("cpu", alone=False):
        while True:
            function, arguments = end.recv()
            try:
                end.send((False, function(*arguments)))
            except BaseException:
                end.send((True, traceback.format_exc()))
