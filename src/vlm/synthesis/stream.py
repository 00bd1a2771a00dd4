"""JSON files that are larger than memory, a row at a time."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ijson


def stream_rows(key: str, path: Path, under: str = "item") -> Iterator[Any]:
    """Yield the rows of a list.

    Args:
        key: The option that names the file, for messages.
        path: Of the file.
        under: Where the list is, as ijson says it; `item` if the file is one.

    Raises:
        ValueError: It cannot be read, or is no JSON.
    """
    try:
        with path.open("rb") as file:
            yield from ijson.items(file, under, use_float=True)
    except (OSError, ijson.JSONError) as error:
        raise ValueError(f"{key}={path} cannot be read: {error}") from error


def stream_lines(key: str, path: Path) -> Iterator[Any]:
    """Yield the rows of a file that has one a line.

    Raises:
        ValueError: It cannot be read, or a line is no JSON.
    """
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield _parse(key, path, number, line)
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{key}={path} cannot be read: {error}") from error


def _parse(key: str, path: Path, number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise ValueError(f"{key}={path}: line {number} is no JSON ({error}); mend or remove it") from error


def is_list(path: Path) -> bool:
    """Whether a file begins as a JSON list does."""
    with path.open("rb") as file:
        return file.read(1024).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")
