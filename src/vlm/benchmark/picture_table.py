"""Tables of tab-separated values with pictures in them, in base64, as OpenCompass publishes benchmarks."""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vlm.benchmark.question import Picture

LONGEST_REFERENCE = 64
"""Characters; a longer field is a picture, a shorter one the index of the row that has it."""


@dataclass(frozen=True)
class Row:
    """One line, without its picture.

    Args:
        values: By the columns' names, but for `image`.
        offset: Of the picture in the file, in bytes.
        length: Of the picture in the file, in bytes.
        digest: Equal for equal pictures.
        reference: Index of the row whose picture it is; empty if it has one.
    """

    values: dict[str, str]
    offset: int
    length: int
    digest: str
    reference: str


def read_rows(path: Path) -> list[Row]:
    """Return all rows; pictures are passed over and stay in the file.

    Raises:
        ValueError: It has no columns `index` and `image`, a row has another number of fields, or a row
            refers to one that is not there.
    """
    records = _records(path)
    names = [field.decode("utf-8-sig") for _, field in next(records, [])]
    if not {"index", "image"} <= set(names):
        raise ValueError(f"{path} has the columns {', '.join(names)}, not index and image; get it again")
    column, rows = names.index("image"), []
    for number, fields in enumerate(records, 1):
        if len(fields) != len(names):
            raise ValueError(
                f"{path}: row {number} has {len(fields)} fields, not {len(names)}; get the file again"
            )
        offset, image = fields.pop(column)
        others = [name for name in names if name != "image"]
        values = {
            name: _unquoted(field).decode("utf-8") for name, (_, field) in zip(others, fields, strict=True)
        }
        reference = _unquoted(image).decode() if len(image) <= LONGEST_REFERENCE else ""
        rows.append(Row(values, offset, len(image), hashlib.sha256(image).hexdigest()[:16], reference))
    return rows


def pictures_of(path: Path, rows: list[Row]) -> list[Picture]:
    """Return each row's picture; equal ones have equal names.

    Raises:
        ValueError: A row refers to one that has no picture.
    """
    holders = {row.values["index"]: row for row in rows if not row.reference}
    pictures = []
    for row in rows:
        holder = holders.get(row.reference) if row.reference else row
        if holder is None:
            raise ValueError(
                f"{path}: row {row.values['index']} has the picture of row {row.reference}, which has none;"
                " get the file again"
            )
        pictures.append(_picture(path, holder))
    return pictures


def _picture(path: Path, row: Row) -> Picture:
    def read() -> bytes:
        with path.open("rb") as file:
            file.seek(row.offset)
            return base64.b64decode(file.read(row.length).strip(b'"'))

    return Picture(row.digest, read)


def _records(path: Path) -> Iterator[list[tuple[int, bytes]]]:
    """Yield each record's fields as they are in the file, with their places in it."""
    with path.open("rb") as file:
        offset, record = 0, b""
        for line in file:
            record += line
            fields = _fields(record.rstrip(b"\r\n"))
            if fields is None:  # a field in quotation marks goes on in the next line
                continue
            if record.strip():
                yield [(offset + start, field) for start, field in fields]
            offset, record = offset + len(record), b""
        if record:
            raise ValueError(f"{path} ends within quotation marks; get it again")


def _fields(record: bytes) -> list[tuple[int, bytes]] | None:
    """Part a record at its tabs; None if it ends within quotation marks, which count if they open a field."""
    fields, start = [], 0
    while True:
        end = start
        if record.startswith(b'"', start):
            end = _closing(record, start + 1)
            if end < 0:
                return None
        tab = record.find(b"\t", end)
        fields.append((start, record[start:] if tab < 0 else record[start:tab]))
        if tab < 0:
            return fields
        start = tab + 1


def _closing(record: bytes, start: int) -> int:
    """Return where the quotation mark is that closes, passing over doubled ones; -1 if there is none."""
    end = record.find(b'"', start)
    while end >= 0 and record.startswith(b'""', end):
        end = record.find(b'"', end + 2)
    return end


def _unquoted(field: bytes) -> bytes:
    if not field.startswith(b'"'):
        return field
    end = _closing(field, 1)
    return field[1:end].replace(b'""', b'"') + field[end + 1 :]
