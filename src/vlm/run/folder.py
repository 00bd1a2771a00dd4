"""A run's folder: `runs/<stage>-<fingerprint>/`, the same on every rank and every day.

config.yaml                the composed sentence of this stage
manifest.json              what came out, written last: a folder that has it is finished
settled.json               what short trainings found of its steps and rates, if it left them open
trace.jsonl                where it began, and what each recorded step was
weights/<part>.safetensors what learned
checkpoints/<step>/        the trainer's state, while unfinished; and the best, if it is to be kept
evaluations/               scores and predictions
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vlm.run.lock import HeartbeatLock


class RunFolder:
    """Paths and states of one run.

    Args:
        path: Of the folder; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.manifest = path / "manifest.json"
        self.settled = path / "settled.json"
        self.trace = path / "trace.jsonl"
        self.weights = path / "weights"
        self.checkpoints = path / "checkpoints"
        self.evaluations = path / "evaluations"

    def __str__(self) -> str:
        return str(self.path)

    @property
    def is_finished(self) -> bool:
        """Whether the run has trained to its end."""
        return self.manifest.is_file()

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the lock that whoever trains here must hold; wait for it, and say so.

        It is free again when its owner dies, on whatever machine.
        """
        self.path.mkdir(parents=True, exist_ok=True)

        def wait_for(owner: str) -> None:
            print(f"{self} is being trained by {owner}; waiting for it", flush=True)

        with HeartbeatLock(self.path / ".owner").held(wait_for):
            yield

    def read_manifest(self) -> dict[str, Any]:
        """Return what the finished run says of itself."""
        manifest: dict[str, Any] = json.loads(self.manifest.read_text())
        return manifest

    def short_runs(self) -> list["RunFolder"]:
        """Return the runs of the short trainings that settled what the finished run was to be."""
        settled = self.read_manifest().get("settled", {})  # an earlier version's manifest has none
        return [RunFolder(self.path.with_name(name)) for found in settled.values() for name in found["runs"]]

    def finish(self, manifest: dict[str, Any]) -> None:
        """Write the manifest, which makes the run finished."""
        write_json(self.manifest, manifest)


def write_json(path: Path, value: Any) -> None:
    """Write a file that is either old or new, never half."""
    _write(path, [json.dumps(value, indent=2, ensure_ascii=False)])


def write_lines(path: Path, values: Iterable[Any]) -> None:
    """Write a file of one JSON value a line, which is either old or new, never half."""
    _write(path, (json.dumps(value, ensure_ascii=False) for value in values))


def _write(path: Path, lines: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.partial")
    with temporary.open("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)
    temporary.replace(path)
