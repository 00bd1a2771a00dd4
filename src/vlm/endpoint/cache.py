"""Replies on disk, so that nothing is paid for twice."""

import json
from dataclasses import asdict
from pathlib import Path
from uuid import uuid4

from vlm.endpoint.reply import Completion


class Cache:
    """One file for each reply, put in its place whole: a process that is killed leaves no half of one.

    Several processes may share a folder. A file that cannot be read is as none: its request is sent again.

    Args:
        folder: Where they are kept; made when the first comes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, digest: str) -> Completion | None:
        """Return what is kept under a request's hash."""
        try:
            return Completion(**json.loads(self._path(digest).read_bytes()))
        except (FileNotFoundError, ValueError, TypeError):  # none, or what a cut of power left of it
            return None

    def put(self, digest: str, completion: Completion) -> None:
        """Keep a reply."""
        path = self._path(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{uuid4().hex}.partial")
        partial.write_text(json.dumps(asdict(completion)), "utf-8")
        partial.replace(path)

    def _path(self, digest: str) -> Path:
        return self.folder / digest[:2] / f"{digest}.json"
