"""One stage, trained from where it stands to its end, and read again."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from traceback import extract_tb
from typing import Any

import lightning
from omegaconf import OmegaConf

from vlm import ranks
from vlm.build import (
    build_answerer,
    build_flops,
    build_image_transform,
    build_model,
    build_task,
    build_trainer,
)
from vlm.build_benchmarks import build_benchmarks
from vlm.build_data import build_data, build_held_out
from vlm.config import Trainer
from vlm.data.gate import check as check_labels
from vlm.data.gate import describe as describe_labels
from vlm.data.looked_at import LookedAt, choose
from vlm.data.module import DataModule
from vlm.data.steps import StepDataset
from vlm.model.generate import Answerer
from vlm.model.vision_language import VisionLanguageModel
from vlm.sentence import PlannedStage, reads_twin_shards, sources
from vlm.strategy.single import Single
from vlm.study.quiz import Quiz
from vlm.tracking.base import Tracker
from vlm.training.checkpoint import Checkpoints
from vlm.training.guards import Guards
from vlm.training.look import Look
from vlm.training.manifest import describe_run
from vlm.training.meter import Meter
from vlm.training.parts import describe_parts
from vlm.training.progress import ProgressBar
from vlm.training.proof import Proof
from vlm.training.record import Recorder
from vlm.training.resume import Resumable, choose_step
from vlm.training.spent import summarise
from vlm.training.task import Task
from vlm.training.trace import Trace
from vlm.training.validation import Show, Validation
from vlm.training.weights import load_weights, save_weights


def train_stage(stage: PlannedStage, tracker: Tracker, run: str) -> None:
    """Train one stage from where it stands to its end, and write its folder.

    Raises:
        StoppedEarly: Somebody asked it to stop; its state is saved.
        ValueError: Nothing right is learned from a source, a saved state does not fit, a part that should
            learn gets no gradient, or the loss is not a number.
    """
    config, folder, started = stage.config, stage.folder, time.monotonic()
    lightning.seed_everything(config.seed, verbose=False)
    model = build_model(config)
    data = build_data(config, model)
    checkpoints = Checkpoints(folder.checkpoints, config.trainer.keep_last, config.trainer.keep_best)
    first = choose_step(checkpoints, config.resume)
    if not ranks.rank():
        _say_what_is_read(stage, data, first)
        folder.config.write_text(OmegaConf.to_yaml(config, resolve=True))
        if config.resume != "auto":
            checkpoints.forget_after(first or 0)
    ranks.agreed(None)
    before = [earlier.folder.weights for earlier in stage.lineage()][:-1]
    task = build_task(config, model, data.num_steps, before)
    task.first_step = data.first_step = first or 0
    callbacks = _callbacks(stage, data, checkpoints, first, partial(_show, tracker, run))
    trainer = build_trainer(config, task, callbacks, tracker.logger(run))
    task.configure_model()
    print(describe_parts(model), flush=True)
    proof = Proof(model)
    _fit(trainer, task, data)
    _finish(stage, task, proof, started, data.dataset.num_samples)
    if not ranks.rank():
        checkpoints.keep_only_best()


def _say_what_is_read(stage: PlannedStage, data: DataModule, first: int | None) -> None:
    """Look at every source, before any is learned from.

    Raises:
        ValueError: Nothing right is learned from one.
    """
    gate = stage.config.trainer.gate
    seen = data.look(gate.samples)
    check_labels(seen, gate.tolerance)
    at = f", going on from step {first}" if first else ""
    print(f"{stage.name}: training {stage.folder}, {data.num_steps} steps{at}")
    print(*describe_labels(seen), sep="\n", flush=True)
    for name in sources(stage.config):
        if reads_twin_shards(stage.config, name):
            print(
                f"  {name}: its shards are not there; its twin reads captions of the shapes world", flush=True
            )


def _show(tracker: Tracker, run: str, table: str) -> Show:
    """Return what keeps a step's rows of a table."""
    return lambda step, rows: tracker.log_table(run, f"{table}/step-{step}", rows)


def _callbacks(
    stage: PlannedStage,
    data: DataModule,
    checkpoints: Checkpoints,
    first: int | None,
    show: Callable[[str], Show],
) -> list[lightning.Callback]:
    """Return them in the order in which they see a step's end."""
    settings = stage.config.trainer
    try:
        flops = build_flops(stage.config)
    except ValueError as error:
        print(f"{stage.name}: no MFU: {error}")
        flops = None
    held_out = build_held_out(stage.config, data.dataset)
    every, number = settings.validate_every, settings.sample_answers
    validation = [Validation(held_out, every, number, show("answers"))] if held_out else []
    return [
        Meter(flops, settings.log_every, settings.activation_checkpointing, settings.peak_tflops),
        Guards(stage.folder.path, settings.log_every),
        *validation,
        *_look(stage, data.dataset, show("look")),
        *_quiz(stage),
        ProgressBar(stage.name),
        Trace(stage.folder.trace, settings.log_every, _about(stage, data)),
        Recorder(settings.log_every),
        Resumable(checkpoints, first, settings.checkpoint_every),
    ]


def _about(stage: PlannedStage, data: DataModule) -> dict[str, Any]:
    """Return what a trace says of a run besides its steps."""
    held = zip(data.dataset.names, data.dataset.readers, data.dataset.sizes, strict=True)
    sources = {name: {"samples": len(reader), "drawn": size.num_drawn} for name, reader, size in held}
    return {"identity": stage.identity, "sources": sources}


def _look(stage: PlannedStage, dataset: StepDataset, show: Show) -> list[lightning.Callback]:
    """Return what looks at the use of pictures while it trains, if it is to."""
    settings, seed = stage.config.trainer, stage.config.seed
    if settings.look_every is None:
        return []
    readers = dict(zip(dataset.names, dataset.readers, strict=True))
    looked_at = LookedAt(readers, choose(readers, settings.look_samples, seed), seed)
    return [Look(looked_at, settings.look_every, settings.tokens_per_row, show)]


def _quiz(stage: PlannedStage) -> list[lightning.Callback]:
    """Return what asks the sentence's benchmarks while it trains, if it is to."""
    config, settings = stage.config, stage.config.evaluation
    if settings.every is None:
        return []

    def ask(task: Task, max_new_tokens: int) -> Answerer:
        return build_answerer(config, task.model, max_new_tokens)

    benchmarks = build_benchmarks(config)
    number, batch_size = settings.questions_in_training, settings.batch_size
    return [Quiz(benchmarks, ask, settings.every, number, batch_size, config.seed)]


def _fit(trainer: lightning.Trainer, task: Task, data: DataModule) -> None:
    """Train.

    Raises:
        ValueError: A process that prepares data was killed.
    """
    try:
        trainer.fit(task, datamodule=data)
    except (RuntimeError, OSError, EOFError) as error:
        if _is_of_a_dead_worker(error):
            raise ValueError(
                f"a process that prepares data was killed at step {task.step}, perhaps for want of "
                "memory; lower trainer.num_workers, and say the same again to go on from the last checkpoint"
            ) from error
        raise


def _is_of_a_dead_worker(error: Exception) -> bool:
    """Whether a process that prepares data has died, or what it was handing over broke off as it did."""
    if isinstance(error, RuntimeError):
        return "DataLoader worker (pid" in str(error)
    return any("multiprocessing" in frame.filename for frame in extract_tb(error.__traceback__))


def _finish(stage: PlannedStage, task: Task, proof: Proof, started: float, num_samples: int) -> None:
    """Write what was learned and, at last, what the run says of itself."""
    model, config, folder = task.model, stage.config, stage.folder
    if task.average:
        task.average.settle()
    changed = proof.of_what_changed(model)
    print(proof.describe(changed), flush=True)
    save_weights(model, task.adapters, folder.weights, task.strategy)
    spent = task.spent.of_all()
    if ranks.rank():
        return
    if task.num_skipped:
        print(f"{stage.name}: {task.num_skipped} samples were skipped")
    manifest = describe_run(model, build_image_transform(config, model), folder.weights, stage.identity)
    done = {
        "steps": task.plan.num_steps,
        "samples": num_samples,
        "learning_rate": config.stage.optimizer.learning_rate,
        "last_loss": task.metrics["train/loss"],
        "validation_loss": task.validation_loss,
        "validation": task.validation,
        "seconds_per_step": task.metrics.get("throughput/seconds/step"),
        "settled": dict(stage.settled),
        "seconds": round(time.monotonic() - started, 1),
        "skipped": task.num_skipped,
        "changed": changed,
        **summarise(spent),
    }
    folder.finish(manifest | done)


def load_model(planned: PlannedStage, step: int | None = None) -> VisionLanguageModel:
    """Return a run's model, read from its folders, ready to answer.

    Args:
        planned: Its outermost stage.
        step: Of a resumable state; None is the finished run.

    Raises:
        ValueError: A file is damaged, or does not fit.
    """
    if step is not None:
        return open_state(planned, step).model.eval()
    lightning.seed_everything(planned.config.seed, verbose=False)  # a frozen random part returns as it was
    model = build_model(planned.config)
    model.configure_model()
    for stage in planned.lineage():
        load_weights(model, stage.folder.weights)
    return model.eval()


def open_state(planned: PlannedStage, step: int) -> Task:
    """Return a run's training as it stood at a step, on one device.

    Raises:
        ValueError: The state is damaged, or does not fit.
    """
    config, folder = planned.config, planned.folder
    lightning.seed_everything(config.seed, verbose=False)
    before = [earlier.folder.weights for earlier in planned.lineage()][:-1]
    task = build_task(config, build_model(config), step, before, Single())
    task.plan = replace(task.plan, trainer=Trainer())  # to answer takes whole numbers and no tricks
    task.configure_model()
    Checkpoints(folder.checkpoints).load(step, task.learned_state())
    return task
