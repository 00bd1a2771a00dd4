"""Which of a run's resumable states is meant."""

from vlm.sentence import PlannedStage


def find_state(planned: PlannedStage, wanted: str) -> int:
    """Return the step of a resumable state.

    Args:
        planned: Whose.
        wanted: `last`, `best`, or the step.

    Raises:
        ValueError: There is no such state.
    """
    from vlm.training.checkpoint import Checkpoints  # noqa: PLC0415 (torch takes seconds)

    checkpoints = Checkpoints(planned.folder.checkpoints)
    steps = {str(step): step for step in checkpoints.steps()}
    if steps:
        steps["last"] = max(steps.values())
        best = checkpoints.best()
        steps |= {"best": best} if best is not None else {}
    if wanted not in steps:
        raise ValueError(
            f"checkpoint={wanted} is none of {checkpoints.folder}: {', '.join(steps) or 'it has none'}; "
            "trainer.keep_last and trainer.keep_best say what is kept"
        )
    return steps[wanted]
