"""Near-duplicates are found, and nothing else is."""

import sqlite3
from random import Random

import pytest

from tests.synthesis.making import sentences
from vlm.synthesis.duplicates import SHINGLE, PictureIndex, TextIndex


def overlap(first: list[str], second: list[str]) -> float:
    """By the definition."""
    runs = [
        {tuple(words[place : place + SHINGLE]) for place in range(max(1, len(words) - SHINGLE + 1))}
        for words in (first, second)
    ]
    return len(runs[0] & runs[1]) / len(runs[0] | runs[1])


def test_texts_are_kept_or_not_as_by_comparing_all_pairs() -> None:
    random = Random(1)
    texts = [sentences(f"{number}", 12).split() for number in range(60)]
    for number in range(60):
        changed = list(texts[number])
        for _ in range(random.randint(0, 12)):
            changed[random.randrange(len(changed))] = f"word{random.random()}"
        texts.append(changed)
    kept: list[list[str]] = []
    expected = []
    for text in texts:
        admitted = all(overlap(text, other) <= 0.7 for other in kept)
        expected.append(admitted)
        if admitted:
            kept.append(text)
    index = TextIndex(sqlite3.connect(":memory:"), 0.7)
    assert [index.admit(text, "detail") for text in texts] == expected
    assert 70 < sum(expected) < 115


def test_texts_of_another_kind_are_no_duplicates() -> None:
    index = TextIndex(sqlite3.connect(":memory:"), 0.7)
    words = sentences("x", 3).split()
    assert index.admit(words, "detail")
    assert index.admit(words, "reasoning")
    assert not index.admit(words, "detail")
    assert index.admit(["short"], "detail")
    assert not index.admit(["short"], "detail")
    assert TextIndex(sqlite3.connect(":memory:"), 1).admit([], "detail")


@pytest.mark.parametrize("max_distance", [0, 1, 4, 16])
def test_pictures_are_kept_or_not_as_by_comparing_all_pairs(max_distance: int) -> None:
    random = Random(max_distance)
    hashes = [random.getrandbits(64) for _ in range(40)]
    hashes += [
        one ^ sum(1 << bit for bit in random.sample(range(64), random.randint(0, 20))) for one in hashes * 3
    ]
    hashes += [0, 2**64 - 1]
    index, kept, expected = PictureIndex(sqlite3.connect(":memory:"), max_distance), [], []
    for one in hashes:
        expected.append(all((one ^ other).bit_count() > max_distance for other in kept))
        if expected[-1]:
            kept.append(one)
    assert [index.admit(one) for one in hashes] == expected
    assert not all(expected)
