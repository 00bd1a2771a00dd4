"""Answers that somebody else has made, scored without a model."""

from dataclasses import replace
from pathlib import Path

from omegaconf import DictConfig

from vlm.benchmark.answers import join, read_answers
from vlm.benchmark.evaluate import SEEN, summarise
from vlm.build_benchmarks import build_protocol
from vlm.study.evidence import keep, upload
from vlm.study.scores import describe_score, plan_in


def score_given(config: DictConfig, answers: Path, incomplete: bool, output: Path | None) -> list[str]:
    """Join the answers to the sentence's one benchmark, score them, and return the lines that say so.

    Args:
        config: Of the sentence.
        answers: The file.
        incomplete: Whether missing answers count as wrong, and of several to one question the first.
        output: Folder for the score, its evidence and the benchmark's upload file; None writes nothing.

    Raises:
        ValueError: The answers are not this benchmark's, or not all of them.
    """
    [planned] = plan_in(config, output or Path())
    benchmark = planned.benchmark
    joined = join(benchmark.questions(), read_answers(answers), answers, incomplete, benchmark.key_of)
    protocol = replace(build_protocol(config), num_questions=None)
    evaluation = summarise(benchmark, {SEEN: joined.answers}, protocol, joined.num_duplicated)
    if output:
        how = planned.identity | {"prompt_hash": evaluation.prompt_hash, "answers": answers.name}
        keep(planned, evaluation, how | dict(benchmark.provenance), seconds=0.0)
        upload(planned, evaluation)
    return describe_score(planned.name, evaluation.as_json())
