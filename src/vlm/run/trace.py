"""The trace of a run: a line of `trace.jsonl` for each time it began or went on, and for each recorded step.

Lines are only ever added, each at once, so a run that dies leaves at most one torn line, the last.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlm.run.folder import write_lines

MACHINE = "machine"
"""The key that tells a line of a start from one of a step."""


@dataclass(frozen=True)
class Record:
    """What a trace holds.

    Args:
        starts: Where and on what the run began, and went on after a stop.
        steps: What was noted of a step, by its number.
    """

    starts: list[dict[str, Any]]
    steps: dict[int, dict[str, Any]]


def append_line(path: Path, line: Mapping[str, Any]) -> None:
    """Add a line; it is with the operating system when this returns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{json.dumps(line, ensure_ascii=False)}\n")


def cut_after(path: Path, step: int) -> None:
    """Drop what was noted after a step that the run goes on from, and starts that came to nothing."""
    if path.is_file():
        write_lines(path, [line for line in _lines(path) if line["step"] < step or _is_done_at(line, step)])


def _is_done_at(line: Mapping[str, Any], step: int) -> bool:
    return bool(line["step"] == step and MACHINE not in line)


def read_trace(path: Path) -> Record | None:
    """Return what a run's trace holds; None if there is none.

    Raises:
        ValueError: It is damaged elsewhere than at its end.
    """
    if not path.is_file():
        return None
    lines = _lines(path)
    starts = [line for line in lines if MACHINE in line]
    return Record(starts, {line["step"]: line for line in lines if MACHINE not in line})


def _lines(path: Path) -> list[dict[str, Any]]:
    texts = path.read_text(encoding="utf-8", errors="replace").removesuffix("\n").split("\n")
    lines: list[dict[str, Any]] = []
    for number, text in enumerate(texts, 1):
        try:
            lines.append(json.loads(text))
        except ValueError as error:
            if number == len(texts):  # whoever wrote it died, or there is none
                break
            raise ValueError(
                f"{path} is damaged in line {number} ({error}); delete the file: no weight depends on it"
            ) from error
    return lines
