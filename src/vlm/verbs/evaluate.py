"""`vlm evaluate`: score the finished run of a sentence; nothing is trained."""

from collections.abc import Sequence

from vlm.compose import compose_sentence
from vlm.corpus.generate import ensure_sources
from vlm.sentence import read_sentence
from vlm.study.scores import known_metrics, plan_evaluations


def run(words: Sequence[str]) -> int:
    """Ask the sentence's benchmarks, unless their scores are known.

    Raises:
        ValueError: The sentence has not been trained, or names no benchmark.
    """
    sentence = compose_sentence(words)
    ensure_sources(sentence.config)
    planned = read_sentence(sentence.config)
    if not planned.folder.is_finished:
        raise ValueError(f"{planned.folder} is not trained; run: vlm train {' '.join(words)}".rstrip())
    evaluations = plan_evaluations(planned)
    if not evaluations:
        raise ValueError("evaluation.benchmarks is empty; choose some: evaluation=shapes")
    if all(evaluation.read() for evaluation in evaluations):
        print(f"{planned.folder}: scores are known; nothing to ask")
    else:
        from vlm.study.cell import Cell  # noqa: PLC0415 (torch takes seconds)

        Cell(sentence, planned, list(words)).run()
    for metric, value in known_metrics(evaluations).items():
        print(f"  {metric:<44} {value:.3f}")
    return 0
