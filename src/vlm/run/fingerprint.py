"""A run's fingerprint: a hash over everything that can change its weights, and nothing that cannot."""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

NUMERICS = 1
"""Raise this when a change of the code changes the weights that a sentence gives."""


def fingerprint(identity: Mapping[str, Any]) -> str:
    """Return twelve hexadecimal digits; the order of keys does not matter."""
    text = json.dumps(identity, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@cache
def files_hash(path: Path) -> str:
    """Return the hash of a file, or of a folder's files and their names."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    hashes = {file.name: files_hash(file) for file in sorted(path.iterdir()) if file.is_file()}
    return hashlib.sha256(json.dumps(hashes).encode()).hexdigest()
