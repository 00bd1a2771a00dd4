"""How a run is asked to stop, and how it says that it did."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
"""What asks a run to stop; Slurm sends the last three, as it is told to."""

INTERRUPTED, PREEMPTED = STOPPED = (128 + signal.SIGINT, 128 + signal.SIGTERM)
"""Exit statuses of a run that saved its state and can be continued: a person stopped it, or a scheduler."""


@contextmanager
def passing_on(send: Callable[[int], None], then_as_before: bool = False) -> Iterator[None]:
    """Let others be asked to stop when this process is.

    Args:
        send: Asks them.
        then_as_before: Whether whoever listened before hears of it afterwards, as submitit must.
    """
    previous: dict[int, Any] = {}

    def pass_on(number: int, frame: FrameType | None) -> None:
        send(number)
        before = previous[number]
        if then_as_before and number != signal.SIGINT and callable(before):
            before(number, frame)

    if threading.current_thread() is threading.main_thread():  # no other may listen
        previous = {number: signal.signal(number, pass_on) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
