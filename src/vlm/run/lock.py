"""A lock that several machines see, and that nobody can hold after his death."""

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil

BEAT_SECONDS = 5.0
"""Between signs of life of who holds it."""
PATIENCE_SECONDS = 60.0
"""Without one, after which the holder counts as dead."""


class HeartbeatLock:
    """A file that its holder touches now and then; who waits takes it over when that has stopped.

    A lock of the operating system would do on one machine, but not every shared file system has one that
    machines see of each other, and a file alone outlives a holder that was killed.

    Args:
        path: Of the file; its folder exists.
        beat: Seconds between touches.
        patience: Seconds without one, after which the holder counts as dead.
    """

    def __init__(
        self, path: Path, beat: int | float = BEAT_SECONDS, patience: int | float = PATIENCE_SECONDS
    ) -> None:
        self.path, self.beat, self.patience = path, beat, patience
        self.token = uuid4().hex

    @contextmanager
    def held(self, wait_for: Callable[[str], None]) -> Iterator[None]:
        """Hold it; wait for it if somebody else does, and say so.

        Args:
            wait_for: Is told once who holds it, if it has to be waited for.
        """
        said = False
        while not self._take():
            holder = self._holder()
            if not said and holder:
                wait_for(f"process {holder['pid']} on {holder['host']}")
                said = True
            if self._is_dead():
                self._bury()
            time.sleep(min(1.0, self.beat))
        stopped = threading.Event()
        heart = threading.Thread(target=self._beat, args=(stopped,), daemon=True)
        heart.start()
        try:
            yield
        finally:
            stopped.set()
            heart.join()
            if (self._holder() or {}).get("token") == self.token:
                self.path.unlink(missing_ok=True)

    def _take(self) -> bool:
        """Become the holder, if there is none: a link is made by one only, and is whole when it is there."""
        mine = self.path.with_name(f"{self.path.name}.{self.token}")
        mine.write_text(json.dumps({"token": self.token, "host": socket.gethostname(), "pid": os.getpid()}))
        try:
            os.link(mine, self.path)
        except FileExistsError:
            return False
        finally:
            mine.unlink()
        return True

    def _holder(self) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = json.loads(self.path.read_text())
        except (FileNotFoundError, ValueError):
            return None
        return found

    def _is_dead(self) -> bool:
        """Whether there is a holder who has given no sign of life for too long, or is known to be gone."""
        holder = self._holder()
        if holder is None:
            return False
        gone = holder["host"] == socket.gethostname() and _is_gone(int(holder["pid"]))
        return gone or self._silent_for(self.path) > self.patience

    def _bury(self) -> None:
        """Remove a dead holder's lock; one at a time, or one who waits would remove another's new lock."""
        burial = self.path.with_name(f"{self.path.name}.burial")
        try:
            burial.touch(exist_ok=False)
        except FileExistsError:
            if self._silent_for(burial) > self.patience:  # who buried has died at it
                burial.unlink(missing_ok=True)
            return
        try:
            if self._is_dead():
                self.path.unlink(missing_ok=True)
        finally:
            burial.unlink(missing_ok=True)

    def _silent_for(self, path: Path) -> float:
        """Return the seconds since a file was touched, by the clock of the file system."""
        now = self.path.with_name(f"{self.path.name}.now.{self.token}")
        now.touch()
        try:
            return now.stat().st_mtime - path.stat().st_mtime
        except FileNotFoundError:
            return 0.0
        finally:
            now.unlink()

    def _beat(self, stopped: threading.Event) -> None:
        while not stopped.wait(self.beat):
            if (self._holder() or {}).get("token") != self.token:  # what was begun is finished all the same
                return
            with suppress(FileNotFoundError):
                os.utime(self.path)


def _is_gone(pid: int) -> bool:
    """Whether no process of this machine has the number, or only one that has ended."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
