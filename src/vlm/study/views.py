"""How to look at a sweep in the tracker: its scores, its seeds folded, how its stages learned."""

from collections.abc import Sequence

from omegaconf import DictConfig

from vlm.instantiate import kind_of
from vlm.study.comparison.rows import SEED
from vlm.study.told import param_of
from vlm.tracking.view import View
from vlm.values import Control

SECONDS = "seconds"
"""The metric of a cell that says how long its stages and its evaluation took when they were first done."""

LOSS = "train/loss"


def views_of(config: DictConfig, axes: Sequence[str], sweep: str) -> list[View]:
    """Return ways to look at a sweep, the first of which suits most.

    Args:
        config: Of what its cells share.
        axes: Keys that differ between cells.
        sweep: The tracker's run of it.
    """
    params = tuple(map(param_of, axes))
    folded = tuple(param for param in params if param != SEED)
    headlines, blinds = _metrics(config)
    cells = {"level": "cell", "sweep": sweep}
    shown = (*headlines, *blinds, SECONDS)
    best = headlines[0] if headlines else None
    scores = View("scores", f"{config.name}: scores", cells, params, shown, best, bars=(*headlines, *blinds))
    seeds = View("seeds", f"{config.name}: seeds folded", cells, folded, shown, best, folded, scores.bars)
    curves = View(
        "curves",
        f"{config.name}: curves",
        {"level": "stage", "sweep": sweep},
        ("stage", *params),
        (LOSS,),
        folded_by=("stage", *params),
        lines=(LOSS,),
        draws=True,
    )
    return [scores, *([seeds] if folded and folded != params else []), curves]


def _metrics(config: DictConfig) -> tuple[list[str], list[str]]:
    """Return the headlines of the sentence's benchmarks, and what they are without the pictures."""
    benchmarks = config.evaluation.benchmarks.items()
    headlines = [f"benchmark/{name}/{kind_of(node).headline}" for name, node in benchmarks]
    blinds = [f"benchmark/{name}/{Control.blind.value}" for name, _ in benchmarks]
    return headlines, blinds if Control.blind in config.evaluation.controls else []
