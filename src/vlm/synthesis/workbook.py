"""What a data set is made from, on disk: as many pictures as there are, and never more than one in memory."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vlm.synthesis.contexts import Context
from vlm.synthesis.ledger import Ledger

_TABLES = """
CREATE TABLE IF NOT EXISTS header (text TEXT);
CREATE TABLE IF NOT EXISTS input (number INTEGER PRIMARY KEY, rule TEXT, context TEXT);
"""


class Workbook(Ledger):
    """The pictures of a data set and what is known of them, in the order of the source.

    Args:
        path: Of the file; made if it is not there.
        header: What they were read from; a file with another header is begun anew.

    Attributes:
        is_read: Whether the source has been read to its end.
    """

    def __init__(self, path: Path, header: Any) -> None:
        super().__init__(path, _TABLES)
        self._header = json.dumps(header)
        found = self.database.execute("SELECT text FROM header").fetchone()
        self.is_read = found == (self._header,)
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
