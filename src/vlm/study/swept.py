"""What a sweep leaves for its cells and for who looks: its run in the tracker, its axes, its address."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from hydra.core.override_parser.types import Override

from vlm.compose import Sentence
from vlm.run.folder import write_json
from vlm.study.told import describe_sweep, question_of
from vlm.study.views import views_of

SWEEP = "sweep.json"


@dataclass(frozen=True)
class Swept:
    """One sweep.

    Args:
        parent: The tracker's run of it; empty if nothing is tracked.
        axes: Keys that differ between its cells.
        address: Where a browser shows its scores.
    """

    parent: str
    axes: list[str] = field(default_factory=list)
    address: str | None = None

    def write(self, folder: Path) -> None:
        """Write into the sweep's folder."""
        write_json(folder / SWEEP, asdict(self))

    @classmethod
    def read(cls, folder: Path) -> "Swept | None":
        """Read from the sweep's folder; None if nothing is there."""
        path = folder / SWEEP
        return cls(**json.loads(path.read_text())) if path.is_file() else None


def axes_of(sentence: Sentence, parsed: Sequence[Override]) -> list[str]:
    """Return the keys that differ between cells: those of the experiment that no word fixes, and the words'.

    Args:
        sentence: Of what all cells share.
        parsed: All words.
    """
    said = {override.get_key_element() for override in parsed}
    stated = [key for key in sentence.axes if key not in said]
    return stated + [override.get_key_element() for override in parsed if override.is_sweep_override()]


def record_sweep(sentence: Sentence, words: Sequence[str], axes: Sequence[str], known: Swept | None) -> Swept:
    """Give a sweep its run in the tracker, unless it has one, and ways to look at it.

    Args:
        sentence: Of what all cells share.
        words: All that were said.
        axes: Keys that differ between cells.
        known: What an earlier start of it has left.
    """
    from vlm.build import build_tracker  # noqa: PLC0415 (torch and MLflow take seconds)

    tracker, name = build_tracker(sentence.config), str(sentence.config.name)
    question = question_of(sentence.choices)
    parent = known.parent if known else None
    if parent is None:
        said = describe_sweep(question, words)
        parent = tracker.start(name, name, None, {"level": "sweep", "sweep": name}, {}, said)
        tracker.finish(parent, succeeded=True)
        tracker.describe(name, question or said)
    addresses = [tracker.keep_view(name, view) for view in views_of(sentence.config, axes, parent)]
    return Swept(parent, list(axes), addresses[0])
