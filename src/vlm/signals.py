"""How a run is asked to stop, and how it says that it did."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
"""What asks a run to stop; Slurm sends the last three, as it is told to."""

INTERRUPTED, PREEMPTED = STOPPED = (128 + signal.SIGINT, 128 + signal.SIGTERM)
"""Exit statuses of a run that saved its state and can be continued: a person stopped it, or a scheduler."""


@contextmanager
def hearing(hear: Callable[[int], None], then_as_before: bool = False) -> Iterator[None]:
    """Be told of the signals that ask to stop.

    Args:
        hear: Takes a signal's number.
        then_as_before: Whether whoever listened before is told afterwards, as submitit must be.
    """
    previous: dict[int, Any] = {}

    def handle(number: int, frame: FrameType | None) -> None:
        before = previous[number]
        try:
            hear(number)
        finally:
            if then_as_before and number != signal.SIGINT and callable(before):
                before(number, frame)

    if threading.current_thread() is threading.main_thread():  # no other may listen
        previous = {number: signal.signal(number, handle) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def when_orphaned(act: Callable[[], None]) -> None:
    """Do something, in a thread, within about a second of the death of the process that started this one."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        act()

    threading.Thread(target=watch, daemon=True).start()
