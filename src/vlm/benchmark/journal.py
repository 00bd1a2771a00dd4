"""Answers, written down as they come, so that no question is asked twice."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType

from vlm import ranks


class Journal:
    """Answers to one pass over a benchmark: a file for each device, of one line for each answer.

    Args:
        folder: Where the files are.
        name: Of the pass.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name

    def read(self) -> dict[str, str]:
        """Return what all devices of all earlier attempts have written, by key.

        A line that a kill has cut short is left out.
        """
        answers: dict[str, str] = {}
        for path in sorted(self.folder.glob(f"{self.name}-*.jsonl")):
            for line in path.read_text("utf-8").split("\n"):  # an answer may hold other ends of lines
                try:
                    record = json.loads(line)
                except ValueError:
                    continue
                answers[record["key"]] = record["answer"]
        return answers

    def __enter__(self) -> "Journal":
        """Open this device's file, without what a kill has left of a line."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{self.name}-{ranks.rank()}.jsonl"
        if path.is_file():
            with path.open("r+b") as file:
                file.truncate(file.read().rfind(b"\n") + 1)
        self._file = path.open("a", encoding="utf-8")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, answers: Mapping[str, str] | Iterable[tuple[str, str]]) -> None:
        """Add answers; they are safe from a kill of this process when it returns."""
        for key, answer in dict(answers).items():
            self._file.write(json.dumps({"key": key, "answer": answer}, ensure_ascii=False) + "\n")
        self._file.flush()
