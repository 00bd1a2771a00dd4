"""Everything in which two runs differ, stage by stage."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from pathlib import Path
from typing import Any

from vlm.study.difference.kept import Kept, read_lineage
from vlm.study.difference.leaves import ABSENT, Leaf, compare_configs
from vlm.study.difference.partings import Parting, common_steps, find_partings
from vlm.study.difference.scores import ScoreDifference, compare_scores


@dataclass(frozen=True)
class SourceDifference:
    """What two stages read of a source; None where one does not read it, or nobody noted it.

    Args:
        name: Of the source.
        contents: Hashes of its shards, of the first run and of the second.
        samples: That it has.
        drawn: Of these, in an epoch of the mixture.
    """

    name: str
    contents: tuple[str | None, str | None]
    samples: tuple[int | None, int | None]
    drawn: tuple[int | None, int | None]

    @property
    def changed(self) -> bool:
        """Whether both read it, and it holds something else."""
        return None not in self.contents and self.contents[0] != self.contents[1]


@dataclass(frozen=True)
class StageDifference:
    """One stage of both runs, or of one that the other has not.

    Args:
        first: None if only the second run has it.
        second: None if only the first run has it.
        leaves: Values that differ.
        sources: All that either reads.
        environment: Versions and machines that differ, all that a run has been on, in their order.
        partings: Where the trainings part.
        steps: That both have recorded.
    """

    first: Kept | None
    second: Kept | None
    leaves: list[Leaf]
    sources: list[SourceDifference]
    environment: dict[str, tuple[list[Any], list[Any]]]
    partings: list[Parting]
    steps: list[int]

    @property
    def name(self) -> str:
        """Of the stage, in the first run that has it."""
        kept = self.first or self.second
        assert kept is not None
        return kept.name

    @property
    def untraced(self) -> list[str]:
        """Which of the two have no trace."""
        pair = (("FIRST", self.first), ("SECOND", self.second))
        return [label for label, kept in pair if kept and not kept.record]

    @property
    def entering(self) -> list[Leaf]:
        """Values that change the fingerprint."""
        return [leaf for leaf in self.leaves if leaf.enters]

    @property
    def is_alike(self) -> bool:
        """Whether nothing that could change weights differs, and the trainings agree.

        Where nothing tells how they went, another version or machine counts; where traces agree, it has
        been shown not to.
        """
        if self.first is None or self.second is None or self.partings or self.entering:
            return False
        shown = bool(self.steps) or bool(self.first.weights() and self.second.weights())
        return not any(source.changed for source in self.sources) and (shown or not self.environment)


@dataclass(frozen=True)
class Difference:
    """Two runs.

    Args:
        folders: Of both.
        stages: Innermost first.
        scores: Of benchmarks that both have been asked.
    """

    folders: tuple[Path, Path]
    stages: list[StageDifference]
    scores: list[ScoreDifference]

    @property
    def is_alike(self) -> bool:
        """Whether every stage is."""
        return all(stage.is_alike for stage in self.stages)


def compare_runs(first: Path, second: Path) -> Difference:
    """Compare two runs by what their folders keep.

    Raises:
        ValueError: A folder is no run's, or a stage before is missing.
    """
    ones, twos = read_lineage(first), read_lineage(second)
    stages = [_compare(one, two) for one, two in _paired(ones, twos)]
    return Difference((first, second), stages, compare_scores(ones[-1].folder, twos[-1].folder))


def _paired(ones: Sequence[Kept], twos: Sequence[Kept]) -> list[tuple[Kept | None, Kept | None]]:
    """Return stages of one name side by side, in their order; the outermost are paired in any case."""
    matcher = SequenceMatcher(
        a=[one.name for one in ones[:-1]], b=[two.name for two in twos[:-1]], autojunk=False
    )
    pairs: list[tuple[Kept | None, Kept | None]] = []
    for _, start, stop, other_start, other_stop in matcher.get_opcodes():
        pairs += zip_longest(ones[start:stop], twos[other_start:other_stop])
    return [*pairs, (ones[-1], twos[-1])]


def _compare(first: Kept | None, second: Kept | None) -> StageDifference:
    if first is None or second is None:
        return StageDifference(first, second, [], [], {}, [], [])
    return StageDifference(
        first,
        second,
        compare_configs(first.config, second.config, (first.identity, second.identity)),
        _compare_sources(first, second),
        _compare_environments(first, second),
        find_partings(first, second),
        common_steps(first, second),
    )


def _compare_sources(first: Kept, second: Kept) -> list[SourceDifference]:
    pair = first, second
    mixtures = [kept.identity["mixture"] for kept in pair]
    return [
        SourceDifference(
            name,
            _both([mixture.get(name, {}).get("content") for mixture in mixtures]),
            _both([kept.sources.get(name, {}).get("samples") for kept in pair]),
            _both([kept.sources.get(name, {}).get("drawn") for kept in pair]),
        )
        for name in {**mixtures[0], **mixtures[1]}
    ]


def _both(values: Sequence[Any]) -> tuple[Any, Any]:
    one, two = values
    return one, two


def _compare_environments(first: Kept, second: Kept) -> dict[str, tuple[list[Any], list[Any]]]:
    """Return of each thing that both have noted what it was, if it was not the same."""
    traced = bool(first.record and second.record)
    one, two = (_environment(kept, traced) for kept in (first, second))
    return {key: (one[key], two[key]) for key in one if key in two and one[key] != two[key]}


def _environment(kept: Kept, traced: bool) -> dict[str, list[Any]]:
    """Return versions and machine of a run, each as it changed when the run was resumed."""
    if traced and kept.record:
        found = [start["machine"] | start["provenance"] for start in kept.record.starts]
    else:
        found = [kept.manifest.get("provenance", {})]
    keys = [key for key in found[0] if key != "date"] if found else []
    return {key: list(dict.fromkeys(one.get(key, ABSENT) for one in found)) for key in keys}
