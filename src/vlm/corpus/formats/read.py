"""JSON files that somebody else wrote."""

import json
from pathlib import Path
from typing import Any


def read_json(key: str, path: Path) -> Any:
    """Return what a file holds.

    Args:
        key: The option that names it, for messages.
        path: Of the file.

    Raises:
        ValueError: It is missing, or no JSON.
    """
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"{key}={path} cannot be read: {error}") from error


def read_list(key: str, path: Path) -> list[Any]:
    """Return the list that a file holds.

    Args:
        key: The option that names it, for messages.
        path: Of the file.

    Raises:
        ValueError: It is missing, no JSON, or no list.
    """
    content = read_json(key, path)
    if not isinstance(content, list):
        raise ValueError(f"{key}={path} must hold a list of records, got {type(content).__name__}")
    return content


def read_list_or_lines(key: str, path: Path) -> list[Any]:
    """Return the list that a file holds, or what stands in each of its lines; empty lines are left out.

    Args:
        key: The option that names it, for messages.
        path: Of the file.

    Raises:
        ValueError: It is missing, or neither a list nor lines of JSON.
    """
    try:
        text = path.read_text()
    except (OSError, ValueError) as error:
        raise ValueError(f"{key}={path} cannot be read: {error}") from error
    if text.lstrip().startswith("["):
        return read_list(key, path)
    values = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            values += [json.loads(line)] if line.strip() else []
        except ValueError as error:
            raise ValueError(f"{key}={path} cannot be read: line {number}: {error}") from error
    return values
