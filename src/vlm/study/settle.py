"""What a stage's budget and tuning leave open, settled by short trainings before it.

Each of them is a run like any other, with a fingerprint and a folder, so none is done twice, and a stage that
is stopped and goes on finds what it was begun with.
"""

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from statistics import fmean
from typing import Any

from omegaconf import DictConfig, OmegaConf

from vlm import ranks
from vlm.build import build_model
from vlm.build_data import build_dataset
from vlm.config import PARTS
from vlm.config_budget import Budget, Tuning
from vlm.run.fingerprint import fingerprint
from vlm.run.folder import RunFolder, write_json
from vlm.run.trace import read_trace
from vlm.sentence import PlannedStage, read_sentence
from vlm.training.guards import NotFiniteError
from vlm.training.trace import describe_machine
from vlm.values import Spending

PACE_STEPS = 20
"""Of the training that shows what a step takes; the median is taken, so that the first few do not count."""
LAST = 4
"""A probe is judged by the mean loss of the last 1/LAST of its steps, if nothing is held out."""

Train = Callable[[PlannedStage, str], None]
"""Trains a stage unless it is finished; the other argument says what for."""


def settle(stage: PlannedStage, train: Train) -> PlannedStage:
    """Return the stage with the number of its samples and the rates of its optimizer; itself if all are said.

    What is found is written into the run's folder, so that a run that goes on elsewhere stays what it was.

    Args:
        stage: Not yet trained; those before it are.
        train: Does the short trainings.

    Raises:
        ValueError: The hours pay for no step, or every rate that was tried gives losses that are no numbers.
    """
    kept, config = stage.folder.settled, stage.config
    has_hours, has_factors = config.budget.of is Spending.gpu_hours, bool(config.tuning.factors)
    if not has_hours and not has_factors:
        return stage
    if not ranks.agreed(kept.is_file()):
        found: dict[str, Any] = {}
        if has_hours:
            found["pace"] = _find_pace(stage, train)
        if has_factors:
            found["tuning"] = _find_rates(_settled(stage, found), train)
        if not ranks.rank():
            write_json(kept, found)
        ranks.agreed(None)
    return _settled(stage, json.loads(kept.read_text()))


def _settled(stage: PlannedStage, found: dict[str, Any]) -> PlannedStage:
    with _changed(stage.config) as config:
        if "pace" in found:
            config.budget = Budget(Spending.samples, float(found["pace"]["samples"]))
        if "tuning" in found:
            _scale_rates(config, found["tuning"]["best"])
    return replace(stage, config=config, settled=found)


def _find_pace(stage: PlannedStage, train: Train) -> dict[str, Any]:
    """Return what a step takes here, by a short training, and how many samples the hours pay for."""
    config = stage.config
    with _changed(config) as short:
        _shorten(short, PACE_STEPS)
    # Another machine has another pace.
    machine = describe_machine("cpu" if config.trainer.accelerator == "cpu" else "cuda")
    run = _named_for(
        read_sentence(short), "pace", {**machine, "devices": config.devices, "nodes": config.nodes}
    )
    train(run, "pace")
    seconds = run.folder.read_manifest()["seconds_per_step"]
    if seconds is None:  # stopped between its last step and its end
        raise ValueError(f"{run.folder} does not know its pace; delete it, and it is taken again")
    devices = config.devices * config.nodes
    steps = round(config.budget.amount * 3600 / (seconds * devices))
    if not steps:
        raise ValueError(
            f"budget.amount={config.budget.amount:g} pays for no step: one takes {seconds:.3g} s on "
            f"{devices} devices; raise it"
        )
    return {
        "seconds_per_step": seconds,
        "devices": devices,
        "samples": steps * config.stage.batch_size,
        "runs": [run.folder.path.name],
    }


def _find_rates(stage: PlannedStage, train: Train) -> dict[str, Any]:
    """Return the factor of the rates with which a short training comes furthest, and what was tried."""
    config, factors = stage.config, list(stage.config.tuning.factors)
    num_steps = max(1, round(config.tuning.fraction * build_dataset(config, build_model(config)).num_steps))
    losses, runs = {}, []
    for factor in factors:
        with _changed(config) as short:
            _shorten(short, num_steps)
            _scale_rates(short, factor)
        run = read_sentence(short)
        losses[factor] = _try(run, train)
        runs.append(run.folder.path.name)
    best = min(losses, key=lambda factor: losses[factor])
    if not math.isfinite(losses[best]):
        raise ValueError(
            f"tuning.factors={factors}: every loss is no number; lower stage.optimizer.learning_rate"
        )
    found = {
        "steps": num_steps,
        "losses": [
            {"factor": factor, "loss": loss if math.isfinite(loss) else None}
            for factor, loss in losses.items()
        ],
        "best": best,
        "is_at_edge": len(factors) > 1 and best in (min(factors), max(factors)),
        "runs": runs,
    }
    if not ranks.rank():
        print(f"{stage.name}: {_describe(found)}", flush=True)
    return found


def _try(run: PlannedStage, train: Train) -> float:
    """Return how far a short training comes; infinity where its losses are no numbers."""
    rate = f"{run.config.stage.optimizer.learning_rate:g}"
    try:
        train(run, f"learning_rate={rate}")
    except NotFiniteError as error:
        if not ranks.rank():
            print(f"{run.name}: a learning rate of {rate} is too high: {error}", flush=True)
        return math.inf
    return _loss_of(run)


def _describe(found: dict[str, Any]) -> str:
    tried = ", ".join(
        f"{one['factor']:g} ({'no number' if one['loss'] is None else format(one['loss'], '.4g')})"
        for one in found["losses"]
    )
    edge = "; it is at the edge of what was tried" if found["is_at_edge"] else ""
    return f"rates times {found['best']:g} are the best of {found['steps']} steps: {tried}{edge}"


def _loss_of(run: PlannedStage) -> float:
    """Return what a short training is judged by (nats per token): held-out samples, or its own last steps."""
    held_out = run.folder.read_manifest()["validation_loss"]
    if held_out is not None:
        return float(held_out)
    record = read_trace(run.folder.trace)
    if record is None:
        raise ValueError(
            f"{run.folder.trace} is gone, by which the run is judged; delete {run.folder} to try again"
        )
    losses = [line["loss"] for _, line in sorted(record.steps.items())]
    return fmean(losses[-max(1, len(losses) // LAST) :])


@contextmanager
def _changed(config: DictConfig) -> Iterator[DictConfig]:
    """Give a copy that may be changed within."""
    copied = OmegaConf.create(config, flags={"readonly": False})
    yield copied
    OmegaConf.set_readonly(copied, True)


def _shorten(config: DictConfig, num_steps: int) -> None:
    """Let the outermost stage take so many steps, all of them noted, and nothing be settled before it."""
    config.budget, config.tuning = Budget(), Tuning()
    config.stage.steps = num_steps
    config.trainer.log_every = 1
    config.evaluation.every = None
    config.trainer.look_every = None


def _scale_rates(config: DictConfig, factor: float) -> None:
    """Multiply the stage's learning rate, and those that parts have of their own."""
    optimizer = config.stage.optimizer
    for node in (optimizer, *(optimizer[part] for part in PARTS)):
        if node.learning_rate is not None:
            node.learning_rate = node.learning_rate * factor


def _named_for(run: PlannedStage, purpose: str, where: dict[str, Any]) -> PlannedStage:
    """Return a run of its own for a purpose and a place, beside one of the same sentence that has none."""
    identity = {**run.identity, purpose: where}
    name = f"{run.name}-{fingerprint(identity)}"
    return replace(run, identity=identity, folder=RunFolder(run.folder.path.with_name(name)))
