"""Texts and pictures that are nearly the same as an earlier one; what was seen lies on disk."""

import hashlib
import sqlite3
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

SHINGLE = 5
"""Words that are compared as one."""
BANDS, ROWS = 25, 3
"""Of pairs of texts that share 0.7 of their shingles, one in thirty thousand is overlooked."""

_MULTIPLIERS = np.random.default_rng(2023).integers(1, 2**63, BANDS * ROWS, np.uint64) * np.uint64(
    2
) + np.uint64(1)
_BITS = 64


class TextIndex:
    """Texts that were seen, by the smallest hashes of their shingles (Broder 1997), in bands.

    Whatever the bands find is compared exactly: by the share of shingles that two texts have in common.

    Args:
        database: To keep them in.
        max_overlap: Texts that share more are the same; above 0, and 1 finds none.
    """

    def __init__(self, database: sqlite3.Connection, max_overlap: float | int) -> None:
        self.max_overlap, self.database = max_overlap, database
        self.database.executescript(
            "DROP TABLE IF EXISTS text; DROP TABLE IF EXISTS band;"
            "CREATE TABLE text (number INTEGER PRIMARY KEY, shingles BLOB);"
            "CREATE TABLE band (hash INTEGER, text INTEGER);"
            "CREATE INDEX by_band ON band (hash);"
        )

    def admit(self, words: Sequence[str], group: str) -> bool:
        """Keep a text unless one of its group is nearly the same; return whether it was kept."""
        if self.max_overlap == 1:
            return True
        shingles = _shingles(words)
        bands = _bands(shingles, group)
        marks = ", ".join("?" * len(bands))
        found = self.database.execute(
            f"SELECT DISTINCT shingles FROM band JOIN text ON number = text WHERE hash IN ({marks})", bands
        )
        if any(_overlap(shingles, np.frombuffer(blob, np.uint64)) > self.max_overlap for (blob,) in found):
            return False
        number = self.database.execute(
            "INSERT INTO text (shingles) VALUES (?)", (shingles.tobytes(),)
        ).lastrowid
        self.database.executemany("INSERT INTO band VALUES (?, ?)", [(band, number) for band in bands])
        return True


def _shingles(words: Sequence[str]) -> NDArray[np.uint64]:
    """Return the sorted hashes of a text's runs of words; of a shorter text, that of the whole."""
    runs = {" ".join(words[place : place + SHINGLE]) for place in range(max(1, len(words) - SHINGLE + 1))}
    digests = b"".join(hashlib.blake2b(run.encode(), digest_size=8).digest() for run in runs)
    return np.unique(np.frombuffer(digests, np.uint64))


def _bands(shingles: NDArray[np.uint64], group: str) -> list[int]:
    """Return a hash of each band of the smallest hashes, as SQLite's integers."""
    smallest = (shingles[None, :] * _MULTIPLIERS[:, None]).min(axis=1).reshape(BANDS, ROWS)
    hashes = [
        hashlib.blake2b(row.tobytes(), digest_size=8, person=f"{group[:8]}{number}".encode()).digest()
        for number, row in enumerate(smallest)
    ]
    return [int.from_bytes(one, "big", signed=True) for one in hashes]


def _overlap(first: NDArray[np.uint64], second: NDArray[np.uint64]) -> float:
    common = len(np.intersect1d(first, second, assume_unique=True))
    return common / (len(first) + len(second) - common)


class PictureIndex:
    """Perceptual hashes of 64 bits that were seen.

    Hashes that differ in at most so many bits agree in one of one piece more: only such are compared.

    Args:
        database: To keep them in.
        max_distance: Bits in which the hashes of two pictures may differ that are the same to the eye.
    """

    def __init__(self, database: sqlite3.Connection, max_distance: int) -> None:
        self.max_distance, self.database = max_distance, database
        edges = np.linspace(0, _BITS, max_distance + 2).round().astype(int).tolist()
        self._pieces = list(pairwise(edges))
        self.database.executescript(
            "DROP TABLE IF EXISTS piece; CREATE TABLE piece (place INTEGER, bits INTEGER, hash TEXT);"
            "CREATE INDEX by_piece ON piece (place, bits);"
        )

    def admit(self, hashed: int) -> bool:
        """Keep a hash unless one is nearly the same; return whether it was kept."""
        pieces = [
            (place, (hashed >> low) & ((1 << (high - low)) - 1))
            for place, (low, high) in enumerate(self._pieces)
        ]
        for piece in pieces:
            near = self.database.execute(
                "SELECT hash FROM piece WHERE place = ? AND bits = ?", _signed(piece)
            )
            if any((int(other, 16) ^ hashed).bit_count() <= self.max_distance for (other,) in near):
                return False
        rows = [(*_signed(piece), f"{hashed:x}") for piece in pieces]
        self.database.executemany("INSERT INTO piece VALUES (?, ?, ?)", rows)
        return True


def _signed(piece: tuple[int, int]) -> tuple[int, int]:
    """Return a piece as SQLite's integers, which have a sign."""
    place, bits = piece
    return place, bits - (1 << _BITS) if bits >= 1 << (_BITS - 1) else bits
