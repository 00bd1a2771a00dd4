"""`vlm evaluate`: score the finished run of a sentence; nothing is trained."""

from collections.abc import Sequence

from vlm.compose import compose_sentence
from vlm.corpus.generate import ensure_sources
from vlm.sentence import PlannedStage, read_sentence
from vlm.study.scores import known_metrics, plan_evaluations


def run(words: Sequence[str]) -> int:
    """Ask the sentence's benchmarks, unless their scores are known.

    Raises:
        ValueError: The sentence has not been trained, or names no benchmark.
    """
    sentence = compose_sentence(words)
    ensure_sources(sentence.config)
    planned = read_sentence(sentence.config)
    step = find_state(planned, sentence.config.checkpoint) if sentence.config.checkpoint else None
    if step is None and not planned.folder.is_finished:
        raise ValueError(f"{planned.folder} is not trained; run: vlm train {' '.join(words)}".rstrip())
    evaluations = plan_evaluations(planned, step)
    if not evaluations:
        raise ValueError("evaluation.benchmarks is empty; choose some: evaluation=shapes")
    if all(evaluation.read() for evaluation in evaluations):
        print(f"{planned.folder}: scores are known; nothing to ask")
    else:
        from vlm.study.cell import Cell  # noqa: PLC0415 (torch takes seconds)

        cell = Cell(sentence, planned, list(words))
        cell.run() if step is None else cell.score(step, evaluations)
    for metric, value in known_metrics(evaluations).items():
        print(f"  {metric:<44} {value:.3f}")
    return 0


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
