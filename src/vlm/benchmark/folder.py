"""Benchmarks that lie in a folder, in the files that their authors publish."""

import hashlib
import json
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from vlm.benchmark.base import Benchmark
from vlm.benchmark.question import Picture


class FolderBenchmark(Benchmark):
    """A benchmark that is read from its authors' files.

    Args:
        folder: Where they are.
        max_new_tokens: An answer is cut there.
    """

    published: ClassVar[str]
    """Where the files can be had, for who lacks one."""

    def __init__(self, folder: str, max_new_tokens: int) -> None:
        super().__init__(max_new_tokens)
        self.folder = Path(folder)

    @abstractmethod
    def files(self) -> list[Path]:
        """Return the files that its questions and answers are read from, without the pictures."""

    def content(self) -> str:
        """Return a hash of these files."""
        hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in self.files()]
        return hashlib.sha256("".join(hashes).encode()).hexdigest()

    def find(self, *names: str) -> Path:
        """Return the first of these names that the folder has.

        Raises:
            ValueError: It has none of them.
        """
        for name in names:
            if (self.folder / name).exists():
                return self.folder / name
        raise ValueError(f"{self.folder} has no {' or '.join(names)}; get it from {self.published}")

    def picture(self, *names: str) -> Picture:
        """Return the picture that has the first of these names that the folder has, looked for when read.

        Its name is the file's.
        """
        return Picture(Path(names[0]).name, lambda: self.find(*names).read_bytes())

    def read_json(self, path: Path) -> Any:
        """Read a file.

        Raises:
            ValueError: It is not JSON.
        """
        try:
            return json.loads(path.read_text("utf-8"))
        except ValueError as error:
            raise ValueError(f"{path} is not JSON ({error}); get it again from {self.published}") from error

    def read_lines(self, path: Path) -> Iterator[dict[str, Any]]:
        """Read a file that has an object in each line; empty lines are left out.

        Raises:
            ValueError: A line is none.
        """
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    record = json.loads(line)
                    if not isinstance(record, dict):
                        raise ValueError("it is no object")
                except ValueError as error:
                    raise ValueError(
                        f"{path}, line {number}, is not JSON ({error}); get it again from {self.published}"
                    ) from error
                yield record
