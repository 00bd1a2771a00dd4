"""Rows of official annotation files, looked at before they are used."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlm.corpus.formats.read import read_json

Kind = type | tuple[type, ...]
NUMBER = (int, float)
OFFICIAL_REMEDY = "take the official file as it was released"
OWN_REMEDY = "mend or drop it"
"""For rows that nobody has released."""


def read_rows(key: str, path: str, kinds: Mapping[str, Kind], under: str = "") -> list[dict[str, Any]]:
    """Return the rows of a list.

    Args:
        key: The option that names the file, for messages.
        path: Of the file.
        kinds: What every row holds.
        under: Key of the list, if the file is an object.

    Raises:
        ValueError: The file cannot be read, holds no such list, or a row lacks something.
    """
    content = read_json(key, Path(path))
    if under:
        content = check_row(f"{key}={path}", content, {under: list})[under]
    if not isinstance(content, list):
        raise ValueError(f"{key}={path} must hold a list, got {type(content).__name__}; {OFFICIAL_REMEDY}")
    return check_rows(f"{key}={path}", content, kinds)


def read_table(key: str, path: str, kinds: Mapping[str, Kind]) -> dict[str, dict[str, Any]]:
    """Return the rows of an object, by their names.

    Args:
        key: The option that names the file, for messages.
        path: Of the file.
        kinds: What every row holds.

    Raises:
        ValueError: The file cannot be read, is no object, or a row lacks something.
    """
    content = check_row(f"{key}={path}", read_json(key, Path(path)), {})
    return {name: check_row(f"{key}={path}: row {name}", row, kinds) for name, row in content.items()}


def check_rows(place: str, rows: list[Any], kinds: Mapping[str, Kind]) -> list[dict[str, Any]]:
    """Return the rows if each is an object with these keys and kinds of values.

    Raises:
        ValueError: One is not; its number is named.
    """
    return [check_row(f"{place}: row {number}", row, kinds) for number, row in enumerate(rows)]


def check_row(
    place: str, row: Any, kinds: Mapping[str, Kind], remedy: str = OFFICIAL_REMEDY
) -> dict[str, Any]:
    """Return the row if it is an object with these keys and kinds of values.

    Raises:
        ValueError: It is not.
    """
    if not isinstance(row, dict):
        raise ValueError(f"{place} must be an object, got {type(row).__name__}; {remedy}")
    for name, kind in kinds.items():
        if name not in row:
            raise ValueError(f"{place} has no {name}; {remedy}")
        if not isinstance(row[name], kind):
            wanted = kind if isinstance(kind, tuple) else (kind,)
            raise ValueError(
                f"{place}: {name} must be {' or '.join(one.__name__ for one in wanted)}, "
                f"got {row[name]!r:.40}; {remedy}"
            )
    return row
