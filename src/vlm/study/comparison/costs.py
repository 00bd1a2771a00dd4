"""What rows cost: operations to train them, and visual tokens that each picture takes."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from vlm.run.folder import RunFolder
from vlm.study.comparison.answered import find_run
from vlm.study.comparison.rows import Row
from vlm.study.outcome import Outcome


@dataclass(frozen=True)
class Cost:
    """One kind of cost.

    Args:
        name: A word, for files.
        title: With the unit, for an axis.
        values: Of each row, the mean over its seeds; None where it is not known.
    """

    name: str
    title: str
    values: list[float | None]

    @property
    def differs(self) -> bool:
        """Whether there is anything to see."""
        return len({value for value in self.values if value is not None}) > 1


def read_costs(sweep: Path, rows: Sequence[Row]) -> list[Cost]:
    """Return what the manifests of the rows' runs say.

    Operations are those of all stages, whoever trained them: what the row would take if nothing were reused.
    """
    return [
        Cost("flops", "training (FLOPs)", _of_rows(sweep, rows, _flops)),
        Cost("visual_tokens", "visual tokens of a picture", _of_rows(sweep, rows, _visual_tokens)),
    ]


def _of_rows(
    sweep: Path, rows: Sequence[Row], read: Callable[[list[dict[str, Any]]], float | None]
) -> list[float | None]:
    found: list[float | None] = []
    for row in rows:
        values = [read(read_manifests(sweep, cell)) for cell in row.cells]
        known = [value for value in values if value is not None]
        found.append(fmean(known) if known and len(known) == len(values) else None)
    return found


def read_manifests(sweep: Path, cell: Outcome) -> list[dict[str, Any]]:
    """Return the manifests of a cell's stages, innermost first; an empty one where there is none."""
    paths = [RunFolder(find_run(sweep, folder)).manifest for folder in cell.run_folders]
    return [json.loads(path.read_text("utf-8")) if path.is_file() else {} for path in paths]


def _flops(manifests: list[dict[str, Any]]) -> float | None:
    values = [manifest.get("flops") for manifest in manifests]  # none where nobody counted
    known = [value for value in values if value is not None]
    return float(sum(known)) if known and len(known) == len(values) else None


def _visual_tokens(manifests: list[dict[str, Any]]) -> float | None:
    value = manifests[-1].get("visual_tokens_per_picture") if manifests else None
    return None if value is None else float(value)
