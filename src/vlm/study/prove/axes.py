"""The cells of a sweep, held against each other: do they differ, and in what their axes say, only?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from omegaconf import OmegaConf

from vlm.compose import Sentence
from vlm.paths import config_dir
from vlm.study.prove.cells import CellWords
from vlm.study.prove.lint import Level, Lint

GLOBAL = "_global_"
NUM_SHOWN = 3
"""Keys that a line names; of more, it says how many."""


@dataclass
class Drawn:
    """What a value of an axis changes beside what it says.

    Args:
        choices: Words of other groups, by group, before and after.
        leaves: Values outside of what the axis names, before and after.
    """

    choices: dict[str, tuple[str, str]] = field(default_factory=dict)
    leaves: dict[str, tuple[Any, Any]] = field(default_factory=dict)


def compare_axes(cells: Sequence[CellWords], sentences: Sequence[Sentence]) -> Iterator[Lint]:
    """Find what axes change without saying so, and what several of them change.

    Args:
        cells: Of the grid, all of them.
        sentences: What they compose to.
    """
    leaves = [_leaves(sentence) for sentence in sentences]
    changed: dict[str, set[str]] = {axis: set() for axis in cells[0].axes}
    drawn: dict[tuple[str, str, str], Drawn] = {}
    for axis, first, second in _pairs(cells):
        differing = _differing(leaves[first], leaves[second])
        changed[axis] |= set(differing)
        values = (axis, cells[first].axes[axis], cells[second].axes[axis])
        found = drawn.setdefault(values, Drawn())
        inside = [_path(axis, value) for value in values[1:]]
        if GLOBAL in inside:  # it is a whole sentence
            continue
        choices = _other_choices(axis, sentences[first].choices, sentences[second].choices)
        found.choices |= choices
        inside += map(_package, choices)
        found.leaves |= {key: pair for key, pair in differing.items() if not _is_in(key, inside)}
    yield from (lint for values, found in drawn.items() for lint in _say(values, found))
    yield from _shared(changed)


def _pairs(cells: Sequence[CellWords]) -> Iterator[tuple[str, int, int]]:
    """Yield pairs of cells that differ in one axis: its first value, and another."""
    places = {tuple(cell.axes.items()): number for number, cell in reversed(list(enumerate(cells)))}
    firsts = cells[0].axes
    for number, cell in enumerate(cells):
        for axis, value in cell.axes.items():
            if value != firsts[axis]:
                yield axis, places[tuple({**cell.axes, axis: firsts[axis]}.items())], number


def _leaves(sentence: Sentence) -> dict[str, Any]:
    return dict(_flatten(OmegaConf.to_container(sentence.config, resolve=True, enum_to_str=True)))


def _flatten(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of a plain config by their full keys."""
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from _flatten(value, f"{prefix}{key}.")
    else:
        yield prefix.removesuffix("."), node


def _differing(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    keys = [*first, *(key for key in second if key not in first)]
    pairs = {key: (first.get(key), second.get(key)) for key in keys}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def _other_choices(
    axis: str, first: Mapping[str, str], second: Mapping[str, str]
) -> dict[str, tuple[str, str]]:
    """Return the words of other groups that differ; of the axis's own group they are what it is made of."""
    group = axis.lstrip("+~").partition("@")[0]
    return {
        key: (str(before), str(after))
        for key, (before, after) in _differing(first, second).items()
        if key.partition("@")[0] != group
    }


def _path(axis: str, choice: str) -> str:
    """Return the key beneath which all is that a word of an axis says; of some that is everything."""
    key = axis.lstrip("+~")
    file = config_dir() / key.partition("@")[0] / f"{choice}.yaml"
    if "@" not in key and file.is_file() and f"@package {GLOBAL}" in file.read_text().partition("\n")[0]:
        return GLOBAL
    return _package(key)


def _package(key: str) -> str:
    """Return where a group's choice goes: `template@llm.template` to `llm.template`."""
    group, _, package = key.partition("@")
    return (package or group).removeprefix(f"{GLOBAL}.")


def _is_in(key: str, paths: Sequence[str]) -> bool:
    return any(key == path or key.startswith(f"{path}.") for path in paths)


def _say(values: tuple[str, str, str], found: Drawn) -> Iterator[Lint]:
    axis, first, second = values
    said = [f"{_package(key)} ({before} to {after})" for key, (before, after) in found.choices.items()]
    said += [
        f"{key} ({before} to {after})" for key, (before, after) in list(found.leaves.items())[:NUM_SHOWN]
    ]
    if len(found.leaves) > NUM_SHOWN:
        said.append(f"{len(found.leaves) - NUM_SHOWN} more values")
    if said:
        yield Lint(Level.note, f"{axis}={second} instead of {first} also changes {', '.join(said)}")


def _shared(changed: Mapping[str, set[str]]) -> Iterator[Lint]:
    """Find values that several axes change, so that none of them can be said to have done it."""
    axes = list(changed)
    for place, axis in enumerate(axes):
        for other in axes[place + 1 :]:
            both = sorted(changed[axis] & changed[other])
            if both:
                more = f" and {len(both) - NUM_SHOWN} more" if len(both) > NUM_SHOWN else ""
                yield Lint(
                    Level.warning,
                    f"{axis} and {other} both change {', '.join(both[:NUM_SHOWN])}{more}; what each "
                    "of them does cannot be told",
                )
