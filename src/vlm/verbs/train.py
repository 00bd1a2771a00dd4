"""`vlm train`: compose the sentence, train each stage that nobody has trained, evaluate the last."""

import argparse
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from vlm import ranks
from vlm.compose import Sentence, compose_sentence
from vlm.corpus.generate import ensure_sources
from vlm.sentence import PlannedStage, read_sentence
from vlm.signals import PREEMPTED, when_orphaned
from vlm.study.outcome import Outcome, seconds_of
from vlm.study.sweep import sweep


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


def _train(sentence: Sentence, words: list[str]) -> int:
    from vlm.study.scores import describe, known_metrics, plan_evaluations  # noqa: PLC0415 (numpy)

    config = sentence.config
    cell = Path(config.cell) if config.cell else None
    overrides = [word for word in words if not word.startswith(("cell=", "parent="))]
    if cell:
        when_orphaned(partial(os.kill, os.getpid(), signal.SIGTERM))  # and not train on for nobody
    ensure_sources(config, by_commands=True)
    planned = read_sentence(config)
    evaluations = plan_evaluations(planned)
    outcome = _begin(cell, overrides)
    known = planned.folder.is_finished and all(evaluation.read() for evaluation in evaluations)
    if not known or (cell and outcome.tracking_run is None):  # a sweep records even what is known
        if needs_group(config):
            return _launch(config, words)
        status = _work(sentence, planned, outcome)
        if status or ranks.rank():
            return status
    else:
        say_what_is_finished(planned)
    outcome.metrics = known_metrics(evaluations)
    folder = planned.folder.path
    outcome.evaluations = {known.name: str(known.path.relative_to(folder)) for known in evaluations}
    _complete(outcome, planned, [evaluation.read() or {} for evaluation in evaluations])
    if cell:
        outcome.write(cell)
    for evaluation in evaluations:
        print(*describe(evaluation), sep="\n")
    return 0


def _begin(cell: Path | None, overrides: list[str]) -> Outcome:
    """Return what is to be filled, with the tracker's run if the cell has one."""
    outcome = Outcome(overrides)
    recorded = Outcome.read(cell) if cell else None
    if recorded and recorded.overrides == overrides:  # another grid's cell may have been here
        outcome.tracking_run = recorded.tracking_run
    return outcome


def needs_group(config: DictConfig) -> bool:
    """Whether a group of processes is still to be started for the sentence.

    Raises:
        ValueError: One was started, of another size.
    """
    asked = config.devices * config.nodes
    if not ranks.is_started_as_one_of_many():
        return bool(asked > 1)
    if ranks.world_size() != asked:
        raise ValueError(
            f"devices={config.devices} times nodes={config.nodes} is not the {ranks.world_size()} processes "
            "that were started; let vlm start them, or say how many there are"
        )
    return False


def say_what_is_finished(planned: PlannedStage) -> None:
    """Say of each stage that nobody needs to train it."""
    for stage in planned.lineage():
        if stage.folder.is_finished:
            steps = stage.folder.read_manifest()["steps"]
            print(f"{stage.name}: {stage.folder} is finished ({steps} steps); nothing to train", flush=True)


def _launch(config: DictConfig, words: list[str]) -> int:
    """Let a group of processes do all of it; the first of them says and writes what came out."""
    from vlm.study.launch import launch  # noqa: PLC0415 (torch takes seconds)

    return _requeue(config, launch(config, words))


def _work(sentence: Sentence, planned: PlannedStage, outcome: Outcome) -> int:
    """Do what is missing; only now is torch imported."""
    from vlm.study.cell import Cell  # noqa: PLC0415
    from vlm.training.resume import StoppedEarly  # noqa: PLC0415

    say_what_is_finished(planned)
    try:
        outcome.tracking_run = Cell(sentence, planned, outcome.overrides).run()
    except StoppedEarly as stop:
        print(f"{stop}; the same command goes on from there", flush=True)
        if ranks.is_started_as_one_of_many():
            return stop.status
        return _requeue(sentence.config, stop.status)
    return 0


def _requeue(config: DictConfig, status: int) -> int:
    """Ask Slurm to start the job again, if it was Slurm that stopped it, and the sentence says so."""
    job = os.environ.get("SLURM_JOB_ID")
    mine = config.cell is None and not ranks.node()  # a sweep's launcher looks after its own jobs
    if config.trainer.requeue and job and status == PREEMPTED and mine:
        print(f"asking Slurm to start job {job} again", flush=True)
        subprocess.run(["scontrol", "requeue", job], check=True)
    return status


def _complete(outcome: Outcome, planned: PlannedStage, scores: Sequence[Mapping[str, Any]]) -> None:
    stages = [stage.folder for stage in planned.lineage()]
    outcome.run_folders = [str(folder) for folder in stages]
    outcome.metrics |= stages[-1].read_manifest().get("validation", {})  # an earlier version's has none
    outcome.seconds = seconds_of(planned, scores)
    outcome.headlines = {score["name"]: score["score"]["headline"] for score in scores}
