"""Scores that two runs have of the same benchmarks."""

import json
from dataclasses import dataclass
from typing import Any

from vlm.run.folder import RunFolder


@dataclass(frozen=True)
class ScoreDifference:
    """One benchmark.

    Args:
        benchmark: As the sentences that asked call it.
        headline: The metric that models are compared by.
        asked_alike: Whether the same questions were asked and marked in the same way.
        metrics: That both have, by name: of the first run, and of the second.
    """

    benchmark: str
    headline: str
    asked_alike: bool
    metrics: dict[str, tuple[float, float]]


def compare_scores(first: RunFolder, second: RunFolder) -> list[ScoreDifference]:
    """Return the benchmarks that both have been asked; those asked alike, if there are any of a name."""
    ones, twos = _read(first), _read(second)
    alike = [_compare(ones[stem], twos[stem], True) for stem in ones if stem in twos]
    done = {found.benchmark for found in alike}
    others = {score["name"]: score for score in ones.values() if score["name"] not in done}
    theirs = {score["name"]: score for score in twos.values()}
    alike += [_compare(score, theirs[name], False) for name, score in others.items() if name in theirs]
    return sorted(alike, key=lambda found: found.benchmark)


def _read(run: RunFolder) -> dict[str, dict[str, Any]]:
    """Return each score by its file's name, which says how it was asked; the newest of a name is last."""
    paths = sorted(run.evaluations.glob("*.json"), key=lambda path: path.stat().st_mtime)
    found = {path.stem: json.loads(path.read_text()) for path in paths}
    return {stem: score for stem, score in found.items() if "score" in score}  # not in an earlier form


def _compare(one: dict[str, Any], two: dict[str, Any], alike: bool) -> ScoreDifference:
    mine, its = one["score"]["metrics"], two["score"]["metrics"]
    metrics = {name: (mine[name], its[name]) for name in mine if name in its}
    return ScoreDifference(one["name"], one["score"]["headline"], alike, metrics)
