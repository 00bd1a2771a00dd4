"""The report, kept where the sweep's runs are kept."""

import json
from collections.abc import Sequence
from pathlib import Path

from vlm.compose import compose_sentence
from vlm.study.sweep import read_cells
from vlm.study.swept import SWEEP


def record(sweep: Path, files: Sequence[Path]) -> str | None:
    """Keep a report's files in the sweep's run of the tracker; return the run, None if it has none.

    Args:
        sweep: Folder of the sweep.
        files: Of the report.

    Raises:
        ValueError: The tracker cannot be asked, or does not know the run.
    """
    path = sweep / SWEEP
    parent: str | None = json.loads(path.read_text())["parent"] if path.is_file() else None
    if not parent:
        return None
    from vlm.build import build_tracker  # noqa: PLC0415 (torch and MLflow take seconds)

    try:
        tracker = build_tracker(compose_sentence(read_cells(sweep)[0].overrides).config)
        tracker.tags(parent)  # it is known, or this says that it is not
        for file in files:
            tracker.log_artifact(parent, file)
    except Exception as error:  # a server that is away, a store that has moved: the files are written
        reason = str(error).partition("\n")[0]
        raise ValueError(f"the tracker's run {parent} could not keep the report: {reason}") from error
    return parent
