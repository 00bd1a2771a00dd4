"""What was held equal between the rows of a sweep, and what was not: so that an axis is not its budget."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from vlm.study.comparison.costs import read_manifests
from vlm.study.comparison.rows import Row
from vlm.study.outcome import Outcome

TOLERANCE = 0.01
"""What is spent in whole steps may be so far apart and be called equal."""
SPENT = {
    "steps": "steps",
    "samples": "samples",
    "tokens": "tokens",
    "supervised_tokens": "learned tokens",
    "visual_tokens": "visual tokens",
    "flops": "FLOPs",
    "seconds": "seconds of training",
}
"""What a stage's manifest says that it took, and how that is called."""


@dataclass(frozen=True)
class Spread:
    """What the rows' outermost stages took of one thing.

    Args:
        name: In a manifest.
        least: Of the rows' means over their seeds.
        most: Of them.
    """

    name: str
    least: float
    most: float

    @property
    def is_equal(self) -> bool:
        """Whether the rows are within 1 % of each other."""
        return self.most - self.least <= TOLERANCE * self.most

    def __str__(self) -> str:
        least, most = _figure(self.least), _figure(self.most)
        return f"{SPENT[self.name]} ({most if self.is_equal else f'{least} to {most}'})"


@dataclass(frozen=True)
class HeldEqual:
    """What a report says of it.

    Args:
        budgets: Each kind and amount that a row was given; none where stages took the steps they say.
        spent: By the rows' outermost stages.
        rates: Learning rates, by the label of the row; several where seeds were tuned apart.
        is_tuned: Whether each row had its rates tried.
        at_edge: Labels of rows whose best rate was the highest or lowest that was tried.
    """

    budgets: list[str]
    spent: list[Spread]
    rates: dict[str, list[float]]
    is_tuned: bool
    at_edge: list[str]

    def lines(self) -> list[str]:
        """Return sentences for the report."""
        equal = [str(spread) for spread in self.spent if spread.is_equal]
        apart = [str(spread) for spread in self.spent if not spread.is_equal]
        budgets = f"Budget of the last stage: {', '.join(self.budgets)}." if self.budgets else ""
        said = [
            budgets,
            f"Held equal, within 1 %: {', '.join(equal)}." if equal else "",
            f"Not equal: {', '.join(apart)}." if apart else "",
            self._rates(),
        ]
        return [line for line in said if line]

    def _rates(self) -> str:
        if not self.rates:
            return ""
        different = {rate for rates in self.rates.values() for rate in rates}
        if not self.is_tuned and len(different) == 1:
            return f"Learning rate: {different.pop():g} everywhere, tried nowhere (tuning=probe3 would)."
        each = "; ".join(f"{label}: {_several(rates)}" for label, rates in self.rates.items())
        how = "as each row's probes found best" if self.is_tuned else "not tuned alike"
        edge = f" At the edge of what was tried: {', '.join(self.at_edge)}." if self.at_edge else ""
        return f"Learning rates, {how}: {each}.{edge}"


def read_held_equal(sweep: Path, rows: Sequence[Row]) -> HeldEqual:
    """Return what the manifests of the rows' outermost stages say."""
    found = {row.label: [last for cell in row.cells if (last := _last(sweep, cell))] for row in rows}
    found = {label: manifests for label, manifests in found.items() if manifests}
    everyone = [manifest for manifests in found.values() for manifest in manifests]
    tunings = {
        label: [tuning for manifest in manifests if (tuning := manifest.get("settled", {}).get("tuning"))]
        for label, manifests in found.items()
    }
    return HeldEqual(
        budgets=list(dict.fromkeys(said for manifest in everyone if (said := _budget(manifest)))),
        spent=[spread for name in SPENT if (spread := _spread(name, list(found.values())))],
        rates={
            label: sorted({one["learning_rate"] for one in manifests})
            for label, manifests in found.items()
            if all("learning_rate" in one for one in manifests)
        },
        is_tuned=bool(found) and all(len(tunings[label]) == len(found[label]) for label in found),
        at_edge=[label for label, tried in tunings.items() if any(one["is_at_edge"] for one in tried)],
    )


def _last(sweep: Path, cell: Outcome) -> dict[str, Any]:
    manifests = read_manifests(sweep, cell)
    return manifests[-1] if manifests else {}


def _budget(manifest: dict[str, Any]) -> str:
    budget = manifest.get("identity", {}).get("budget") or {}
    return f"{budget['amount']:g} {budget['of'].replace('_', ' ')}" if budget.get("of") else ""


def _spread(name: str, rows: Sequence[Sequence[dict[str, Any]]]) -> Spread | None:
    """Return the spread of the rows' means; None where not every run says what it took."""
    if not rows or any(manifest.get(name) is None for manifests in rows for manifest in manifests):
        return None
    means = [fmean(manifest[name] for manifest in manifests) for manifests in rows]
    return Spread(name, min(means), max(means))


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value < 1e9 else f"{value:.3g}"


def _several(rates: Sequence[float]) -> str:
    return ", ".join(f"{rate:g}" for rate in rates)
