"""A run's fingerprint: a hash over everything that can change its weights, and nothing that cannot."""

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

NUMERICS = 4
"""Raise this when a change of the code changes the weights that a sentence gives."""

LARGE = 2**28
"""Bytes from which a file's hash is remembered: an LLM's weights take a minute to read."""


def fingerprint(identity: Mapping[str, Any]) -> str:
    """Return twelve hexadecimal digits; the order of keys does not matter."""
    text = json.dumps(identity, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@cache
def files_hash(path: Path) -> str:
    """Return the hash of a file, or of a folder's files and their names."""
    if path.is_file():
        return _remembered_hash(path) if path.stat().st_size >= LARGE else _file_hash(path)
    hashes = {file.name: files_hash(file) for file in sorted(path.iterdir()) if file.is_file()}
    return hashlib.sha256(json.dumps(hashes).encode()).hexdigest()


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remembered_hash(path: Path) -> str:
    """Return the hash that was taken when the file was last of this size and time."""
    state = path.stat()
    key = hashlib.sha256(f"{path.resolve()} {state.st_size} {state.st_mtime_ns}".encode()).hexdigest()
    memory = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "vlm" / "hashes" / key
    if memory.is_file():
        return memory.read_text()
    found = _file_hash(path)
    with suppress(OSError):  # a home that cannot be written to costs time and nothing else
        memory.parent.mkdir(parents=True, exist_ok=True)
        temporary = memory.with_name(f"{key}.{os.getpid()}")
        temporary.write_text(found)
        temporary.replace(memory)
    return found
