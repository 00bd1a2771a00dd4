"""`vlm train`: compose the sentence, train each stage that nobody has trained, evaluate the last."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from omegaconf import OmegaConf

from vlm.compose import Sentence, compose_sentence
from vlm.corpus.generate import ensure_sources
from vlm.sentence import PlannedStage, read_sentence
from vlm.study.outcome import Outcome
from vlm.study.scores import PlannedEvaluation, known_metrics, plan_evaluations
from vlm.study.sweep import sweep

STOPPED = 130
"""Exit status of a run that was asked to stop and can be continued."""


def run(words: Sequence[str]) -> int:
    """Train one sentence, or each cell of a sweep."""
    parser = argparse.ArgumentParser("vlm train", add_help=False)
    parser.add_argument("-m", "--multirun", action="store_true")
    parser.add_argument("--cfg", choices=["job"])
    parser.add_argument("--resolve", action="store_true")
    parser.add_argument("overrides", nargs="*")
    asked = parser.parse_intermixed_args(words)
    if asked.multirun and not asked.cfg:
        return sweep(asked.overrides)
    sentence = compose_sentence(asked.overrides)
    if asked.cfg:
        print(OmegaConf.to_yaml(sentence.config, resolve=asked.resolve), end="")
        return 0
    if sentence.states_axes and sentence.config.cell is None:
        return sweep(asked.overrides)
    return _train(sentence, asked.overrides)


def _train(sentence: Sentence, overrides: list[str]) -> int:
    config = sentence.config
    cell = Path(config.cell) if config.cell else None
    overrides = [word for word in overrides if not word.startswith(("cell=", "parent="))]
    ensure_sources(config)
    planned = read_sentence(config)
    evaluations = plan_evaluations(planned)
    recorded = Outcome.read(cell) if cell else None
    finished = [stage for stage in planned.lineage() if stage.folder.is_finished]
    for stage in finished:
        steps = stage.folder.read_manifest()["steps"]
        print(f"{stage.name}: {stage.folder} is finished ({steps} steps); nothing to train", flush=True)
    outcome = Outcome(overrides, tracking_run=recorded.tracking_run if recorded else None)
    known = planned.folder.is_finished and all(evaluation.read() for evaluation in evaluations)
    if not known or (cell and outcome.tracking_run is None):  # a sweep records even what is known
        status = _work(sentence, planned, outcome)
        if status:
            return status
    _complete(outcome, planned, evaluations)
    if cell:
        outcome.write(cell)
    for metric, value in outcome.metrics.items():
        print(f"  {metric:<44} {value:.3f}")
    return 0


def _work(sentence: Sentence, planned: PlannedStage, outcome: Outcome) -> int:
    """Do what is missing; only now is torch imported."""
    from vlm.study.cell import Cell  # noqa: PLC0415
    from vlm.training.resume import StoppedEarly  # noqa: PLC0415

    try:
        outcome.tracking_run = Cell(sentence, planned, outcome.overrides).run()
    except StoppedEarly as stop:
        print(f"{stop}; the same command goes on from there", flush=True)
        return STOPPED
    return 0


def _complete(outcome: Outcome, planned: PlannedStage, evaluations: list[PlannedEvaluation]) -> None:
    stages = [stage.folder for stage in planned.lineage()]
    outcome.run_folders = [str(folder) for folder in stages]
    outcome.metrics = known_metrics(evaluations)
    trained = sum(folder.read_manifest()["seconds"] for folder in stages)
    asked = sum((evaluation.read() or {})["seconds"] for evaluation in evaluations)
    outcome.seconds = round(trained + asked, 1)
