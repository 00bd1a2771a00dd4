"""What became of requests, on disk: as many as there are, and few of them in memory."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

_TABLES = "CREATE TABLE IF NOT EXISTS failure (digest TEXT PRIMARY KEY, reason TEXT);"


class Ledger:
    """Which requests have had no reply, and which are equal.

    Args:
        path: Of the file; made if it is not there, and anew if a cut of power spoiled it.
        tables: SQL that makes whatever else is to lie in it, if it is not there.

    Attributes:
        database: For what else lies on disk.
    """

    def __init__(self, path: Path, tables: str = "") -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self.database = _open(path, tables)
        except sqlite3.DatabaseError:
            path.unlink()
            self.database = _open(path, tables)
        self.database.execute("DELETE FROM failure")

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


def _open(path: Path, tables: str) -> sqlite3.Connection:
    database = sqlite3.connect(path)
    try:
        database.execute("PRAGMA synchronous = OFF")  # what a cut of power spoils is made again
        database.executescript(_TABLES + tables)
    except sqlite3.DatabaseError:
        database.close()
        raise
    return database
