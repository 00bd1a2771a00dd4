"""One of several shares of a task, so that cores or machines can work side by side, and be killed."""

import json
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from filelock import FileLock

from vlm.run.folder import write_json


@dataclass(frozen=True)
class Part:
    """The share `number` of `of`, counted from 1."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> "Part":
        """Read `2/8`.

        Raises:
            ValueError: It is no such share.
        """
        found = re.fullmatch(r"(\d+)/(\d+)", text)
        part = cls(int(found[1]), int(found[2])) if found else cls(0, 0)
        if not 1 <= part.number <= part.of:
            raise ValueError(f"part must be i/n with i from 1 to n, as in part=2/8; got {text}")
        return part

    def takes(self, place: int) -> bool:
        """Whether the item at a place, counted from 0, is of this share."""
        return place % self.of == self.number - 1

    @property
    def is_whole(self) -> bool:
        """Whether there are no others."""
        return self.of == 1

    @property
    def all(self) -> list["Part"]:
        """This share and the others, in order."""
        return [Part(number, self.of) for number in range(1, self.of + 1)]

    def __str__(self) -> str:
        return f"{self.number}-of-{self.of}"


WHOLE = Part(1, 1)


def interleave(shares: Sequence[Sequence[Any]]) -> list[Any]:
    """Return the items of all shares in the order that `Part.takes` dealt them in; none is None."""
    return [item for items in zip_longest(*shares) for item in items if item is not None]


class Shares:
    """What the shares of a task have done, beside its target, until the last one makes the target.

    Args:
        target: File or folder that the task makes.
        part: The share that this process does.

    Attributes:
        folder: Of all shares; it is gone when the target is made.
        draft: Of this share alone, for what is unfinished; whoever writes there makes it.

    Raises:
        ValueError: The task was begun in another number of shares.
    """

    def __init__(self, target: Path, part: Part) -> None:
        self.part = part
        self.folder = target.parent / f".{target.name}-shares"
        self.draft = self.folder / f"{part}.draft"
        others = [path for path in self.folder.glob("*-of-*") if f"-of-{part.of}." not in path.name]
        if others:
            raise ValueError(
                f"part={part.number}/{part.of}: {target} was begun in another number of shares "
                f"({others[0].stem}); go on with that, or delete {self.folder}"
            )

    @property
    def is_begun(self) -> bool:
        """Whether any share has left something."""
        return self.folder.exists()

    @property
    def found(self) -> Any | None:
        """What this share found, if it was done before."""
        path = self._path(self.part)
        return json.loads(path.read_text()) if path.is_file() else None

    @contextmanager
    def gather(self, found: Any) -> Iterator[list[Any] | None]:
        """Keep what this share found, as JSON; give what each found, in order, if none is missing."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder.with_suffix(".lock"))
        with lock:
            write_json(self._path(self.part), found)
            paths = [self._path(part) for part in self.part.all]
            complete = all(path.is_file() for path in paths)
            yield [json.loads(path.read_text()) for path in paths] if complete else None
            shutil.rmtree(self.draft, ignore_errors=True)
            if complete:
                shutil.rmtree(self.folder)
                Path(lock.lock_file).unlink(missing_ok=True)

    def discard(self) -> None:
        """Forget what is unfinished of this share."""
        shutil.rmtree(self.draft, ignore_errors=True)
        if self.is_begun and not any(self.folder.iterdir()):
            self.folder.rmdir()

    def _path(self, part: Part) -> Path:
        return self.folder / f"{part}.json"


class Journal:
    """Rows that a process appends to a file; after a kill they are there, up to the last whole one.

    Args:
        path: Of the file.
        header: What the rows depend on; a file with another header is begun anew.

    Attributes:
        rows: Those that were there.
    """

    def __init__(self, path: Path, header: Any) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = path.read_text().split("\n")[:-1] if path.is_file() else []
        known = bool(lines) and json.loads(lines[0]) == header
        self.rows: list[Any] = [json.loads(line) for line in lines[1:]] if known else []
        self._file = path.open("w")
        for row in (header, *self.rows):
            self._write(row)
        self._file.flush()

    def append(self, row: Any) -> None:
        """Add a row; it outlives the process."""
        self._write(row)
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, row: Any) -> None:
        self._file.write(json.dumps(row) + "\n")
