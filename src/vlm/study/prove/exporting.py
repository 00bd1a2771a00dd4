"""Whether the trained twin of a cell can be written for others, and is the same when it is read again."""

from dataclasses import replace
from pathlib import Path

from vlm.compose import Sentence
from vlm.exchange.verify import DifferentError
from vlm.sentence import PlannedStage
from vlm.study.exported.export import export
from vlm.study.exported.plan import Format, plan
from vlm.study.named import of_run
from vlm.values import Learning


def try_exports(sentence: Sentence, planned: PlannedStage, folder: Path) -> str:
    """Return for whom it was written: transformers, or where that cannot hold it, as parts, and why.

    Args:
        sentence: Of the cell.
        planned: Its twin, trained.
        folder: To write in.

    Raises:
        DifferentError: What is read again is not what was written.
        ValueError: It cannot be written at all.
    """
    named = of_run(replace(sentence, config=planned.config), planned, planned.name)
    try:
        export(plan(named, Format.huggingface, None), folder / planned.folder.path.name)
    except DifferentError:
        raise
    except ValueError as refusal:
        adapted = Learning.adapter in planned.config.stage.learns.values()
        merge = True if adapted else None  # a twin's LLM is random, so its adapter by itself is of no use
        export(plan(named, Format.parts, merge), folder / f"{planned.folder.path.name}-parts")
        return f"exported as parts ({refusal})"
    return "exported for transformers"
