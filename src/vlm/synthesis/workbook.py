"""What a data set is made from, on disk: as many pictures as there are, and never more than one in memory."""

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from vlm.synthesis.contexts import Context

_TABLES = """
CREATE TABLE IF NOT EXISTS header (text TEXT);
CREATE TABLE IF NOT EXISTS input (number INTEGER PRIMARY KEY, rule TEXT, context TEXT);
CREATE TABLE IF NOT EXISTS failure (digest TEXT PRIMARY KEY, reason TEXT);
"""


def _open(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path)
    try:
        database.execute("PRAGMA synchronous = OFF")  # what a cut of power spoils is read again
        database.executescript(_TABLES)
    except sqlite3.DatabaseError:
        database.close()
        raise
    return database


class Workbook:
    """The pictures of a data set and what is known of them, in the order of the source.

    Args:
        path: Of the file; made if it is not there.
        header: What they were read from; a file with another header is begun anew.

    Attributes:
        database: For what else is to lie on disk.
        is_read: Whether the source has been read to its end.
    """

    def __init__(self, path: Path, header: Any) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._header = json.dumps(header)
        try:
            self.database = _open(path)
        except sqlite3.DatabaseError:  # what a cut of power left of it
            path.unlink()
            self.database = _open(path)
        found = self.database.execute("SELECT text FROM header").fetchone()
        self.is_read = found == (self._header,)
        self.database.execute("DELETE FROM failure")
        if not self.is_read:
            self.database.execute("DELETE FROM header")
            self.database.execute("DELETE FROM input")

    def add(self, context: Context, rule: str | None) -> None:
        """Add a picture, and why nothing is asked about it, if nothing is."""
        row = json.dumps(context.row(), ensure_ascii=False)
        self.database.execute("INSERT INTO input (rule, context) VALUES (?, ?)", (rule, row))

    def finish(self) -> None:
        """Say that the source has been read to its end."""
        self.database.execute("INSERT INTO header VALUES (?)", (self._header,))
        self.database.commit()
        self.is_read = True

    def contexts(self) -> Iterator[Context]:
        """Yield what is known of each picture that something is asked about."""
        rows = self.database.execute("SELECT context FROM input WHERE rule IS NULL ORDER BY number")
        for (row,) in rows:
            yield Context.read(json.loads(row))

    @property
    def rules(self) -> Counter[str]:
        """How many pictures nothing is asked about, and why."""
        rows = self.database.execute("SELECT rule, count(*) FROM input WHERE rule IS NOT NULL GROUP BY rule")
        return Counter(dict(rows))

    @property
    def count(self) -> int:
        """Of the pictures that something is asked about."""
        rows = self.database.execute("SELECT count(*) FROM input WHERE rule IS NULL")
        return int(rows.fetchone()[0])

    def fail(self, digest: str, reason: str) -> None:
        """Say that a request has had no reply, and why."""
        self.database.execute("INSERT OR REPLACE INTO failure VALUES (?, ?)", (digest, reason))

    def failure(self, digest: str) -> str | None:
        """Return why a request has had no reply; None if it was not sent."""
        row = self.database.execute("SELECT reason FROM failure WHERE digest = ?", (digest,)).fetchone()
        return None if row is None else str(row[0])

    def firsts(self) -> Callable[[str], bool]:
        """Return what says of a request's hash whether it has not come before; requests can be equal."""
        self.database.execute("DROP TABLE IF EXISTS temp.seen")
        self.database.execute("CREATE TEMP TABLE seen (digest TEXT PRIMARY KEY) WITHOUT ROWID")

        def is_first(digest: str) -> bool:
            return self.database.execute("INSERT OR IGNORE INTO seen VALUES (?)", (digest,)).rowcount == 1

        return is_first

    def close(self) -> None:
        """Close the file."""
        self.database.close()
