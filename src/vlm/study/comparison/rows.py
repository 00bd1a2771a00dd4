"""Cells to rows: what differs between them, and seeds folded together."""

from collections.abc import Sequence
from dataclasses import dataclass

from vlm.study.outcome import Outcome

SEED = "seed"
DEFAULT = "default"
"""What a cell has where it does not say."""
PREVIOUS = "previous"
"""The baseline of a path."""


@dataclass(frozen=True)
class Row:
    """Cells that differ in nothing but their seed.

    Args:
        label: What tells it from other rows.
        words: Everything it says but the seed, by key.
        cells: Those that were scored, or trained if nothing is asked; none if all failed.
        numbers: Their places among all cells.
    """

    label: str
    words: dict[str, str]
    cells: tuple[Outcome, ...]
    numbers: tuple[int, ...]

    def values(self, key: str) -> list[float]:
        """Return a metric of each cell that has it."""
        return [cell.metrics[key] for cell in self.cells if key in cell.metrics]

    @property
    def seconds(self) -> float:
        """Mean of its cells."""
        return sum(cell.seconds for cell in self.cells) / len(self.cells) if self.cells else 0.0


def labels(cells: Sequence[Outcome]) -> list[str]:
    """Return what tells each cell from the others: the overrides that not all of them share."""
    shared = set.intersection(*(set(cell.overrides) for cell in cells)) if len(cells) > 1 else set()
    return [" ".join(word for word in cell.overrides if word not in shared) or DEFAULT for cell in cells]


def fold(cells: Sequence[Outcome]) -> list[Row]:
    """Return the rows, in the order of their first cells."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for number, cell in enumerate(cells):
        said = sorted(word for word in cell.overrides if split_word(word)[0] != SEED)
        groups.setdefault(tuple(said), []).append(number)
    unseeded = [
        Outcome([word for word in cells[numbers[0]].overrides if split_word(word)[0] != SEED])
        for numbers in groups.values()
    ]
    rows = []
    for label, words, numbers in zip(labels(unseeded), groups, groups.values(), strict=True):
        kept = [number for number in numbers if not cells[number].error]
        rows.append(Row(label, dict(map(split_word, words)), tuple(cells[n] for n in kept), tuple(kept)))
    return rows


def axes(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Return each key whose value differs between rows, and its values in their order."""
    keys = dict.fromkeys(key for row in rows for key in row.words)
    values = {key: list(dict.fromkeys(row.words.get(key, DEFAULT) for row in rows)) for key in keys}
    return {key: found for key, found in values.items() if len(found) > 1}


def benchmarks(cells: Sequence[Outcome]) -> dict[str, str]:
    """Return each benchmark's headline."""
    return dict(sorted({name: metric for cell in cells for name, metric in cell.headlines.items()}.items()))


def kinds(cells: Sequence[Outcome], benchmark: str, headline: str) -> list[str]:
    """Return what its headline is split into; nothing, if into one."""
    prefix = f"benchmark/{benchmark}/{headline}/"
    found = {key.removeprefix(prefix) for cell in cells for key in cell.metrics if key.startswith(prefix)}
    return sorted(found) if len(found) > 1 else []


def scale(cells: Sequence[Outcome], benchmark: str, headline: str) -> int:
    """Return what its headline is multiplied with to be read: shares are per cent, points are as they are."""
    key = f"benchmark/{benchmark}/{headline}"
    return 100 if all(abs(cell.metrics.get(key, 0.0)) <= 1 for cell in cells) else 1


def choose_baselines(rows: Sequence[Row], words: str | None) -> dict[int, int]:
    """Return for each row that is compared the row that it is compared with.

    Args:
        rows: Of the sweep.
        words: `projector=linear`, or several words; of a grid, each row is compared with the one that says
            these and else the same; `previous`: with the row before it, as of a path whose every step adds
            something. None is the first row that has scores.

    Raises:
        ValueError: No row says so, or a row has no counterpart among those that do.
    """
    places = [number for number, row in enumerate(rows) if row.cells]
    if words is None:
        return dict.fromkeys(places[1:], places[0]) if places else {}
    if words == PREVIOUS:
        return dict(zip(places[1:], places, strict=False))
    wanted = dict(map(split_word, words.split()))
    said = [n for n in places if all(rows[n].words.get(key) == value for key, value in wanted.items())]
    if not said:
        raise ValueError(f'baseline="{words}" is said by no scored cell; say one of: {_choices(rows)}')
    if len(said) == 1:
        return {number: said[0] for number in places if number != said[0]}
    by_rest = {_rest(rows[number], wanted): number for number in said}
    found = {}
    for number in places:
        if number in said:
            continue
        if _rest(rows[number], wanted) not in by_rest:
            raise ValueError(
                f'baseline="{words}" is said by {len(said)} cells, and none of them is else the same as '
                f"{rows[number].label}; say more words"
            )
        found[number] = by_rest[_rest(rows[number], wanted)]
    return found


def _rest(row: Row, wanted: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((key, value) for key, value in row.words.items() if key not in wanted))


def _choices(rows: Sequence[Row]) -> str:
    return "; ".join(row.label for row in rows if row.cells)


def split_word(word: str) -> tuple[str, str]:
    """Return an override's key and value; what is removed has the value `removed`."""
    if word.startswith("~"):
        return word[1:].partition("=")[0], "removed"
    key, _, value = word.lstrip("+").partition("=")
    return key, value
