"""One sentence, done: its stages trained unless they are, its benchmarks asked unless they were."""

import io
import time
from pathlib import Path
from typing import Any

import lightning
import torch
from omegaconf import DictConfig, OmegaConf
from PIL import Image

from vlm.benchmark.base import Question
from vlm.benchmark.evaluate import Evaluation, evaluate
from vlm.build import (
    build_answerer,
    build_benchmarks,
    build_data,
    build_image_transform,
    build_model,
    build_task,
    build_tracker,
    build_trainer,
    check_parts,
)  # fmt: skip
from vlm.compose import Sentence
from vlm.config import PARTS
from vlm.data.gate import check as check_labels
from vlm.data.gate import describe as describe_labels
from vlm.data.module import DataModule
from vlm.quiet import quiet_libraries
from vlm.run.folder import write_json
from vlm.sentence import PlannedStage
from vlm.study.scores import PlannedEvaluation, known_metrics, plan_evaluations
from vlm.tracking.base import Tracker
from vlm.tracking.provenance import provenance
from vlm.training.manifest import describe_run
from vlm.training.parts import describe_parts
from vlm.training.resume import check_checkpoint
from vlm.training.task import Task
from vlm.training.weights import load_weights, save_weights


class Cell:
    """Train and evaluate one sentence, and record it.

    Args:
        sentence: Composed.
        planned: Its outermost stage.
        overrides: The words that it was asked with.
    """

    def __init__(self, sentence: Sentence, planned: PlannedStage, overrides: list[str]) -> None:
        quiet_libraries()
        self.sentence, self.planned, self.overrides = sentence, planned, overrides
        self.tracker: Tracker = build_tracker(sentence.config)
        torch.set_num_threads(sentence.config.trainer.num_threads)

    def run(self) -> str:
        """Do what is missing; return the tracker's name of the run."""
        config = self.sentence.config
        for stage in self.planned.lineage():
            check_parts(stage.config)
        name = " ".join(self.overrides) or config.name
        words = {group: choice for group, choice in self.sentence.choices.items() if "@" not in group}
        run = self._start(name, config.parent, config, words, {"cell": name})
        try:
            for stage in self.planned.lineage():
                self._train(stage, run)
            evaluations = plan_evaluations(self.planned)
            for evaluation in evaluations:
                self._evaluate(evaluation, run)
        except BaseException:
            self.tracker.finish(run, succeeded=False)
            raise
        self.tracker.log_metrics(run, known_metrics(evaluations))
        self._keep(self.planned, run)
        self.tracker.finish(run, succeeded=True)
        return run

    def _start(
        self, name: str, parent: str | None, config: DictConfig, words: dict[str, str], tags: dict[str, str]
    ) -> str:
        """Open a run whose params are the words and every value, and whose tags filter."""
        leaves = dict(_leaves(OmegaConf.to_container(config, resolve=True, enum_to_str=True)))
        tags = {**words, "git_commit": provenance()["git_commit"], **tags}
        return self.tracker.start(config.name, name, parent, tags, leaves | words)

    def _train(self, stage: PlannedStage, cell_run: str) -> None:
        """Train the stage, unless it is finished or somebody else finishes it first."""
        with stage.folder.lock():
            if stage.folder.is_finished:
                return
            words = {part: self.sentence.choices[part] for part in PARTS} | {"stage": stage.name}
            name = f"{stage.config.name}/{stage.name}"
            run = self._start(name, cell_run or None, stage.config, words, {"folder": str(stage.folder)})
            try:
                train_stage(stage, self.tracker, run)
                self._keep(stage, run)
            except BaseException:
                self.tracker.finish(run, succeeded=False)
                raise
            self.tracker.finish(run, succeeded=True)

    def _keep(self, stage: PlannedStage, run: str) -> None:
        """Record what the finished stage says of itself."""
        for path in (stage.folder.config, stage.folder.manifest):
            self.tracker.log_artifact(run, path)

    def _evaluate(self, planned: PlannedEvaluation, run: str) -> None:
        """Ask the benchmark, unless its scores are known; record its table, with pictures."""
        if planned.read() is not None:
            return
        config = self.planned.config
        started = time.monotonic()
        benchmark = build_benchmarks(config)[planned.name]
        model = load_model(self.planned)
        answerer = build_answerer(config, model)
        evaluation = evaluate(benchmark, answerer, config.evaluation.batch_size, config.seed)
        known = {"scores": evaluation.scores, "seconds": round(time.monotonic() - started, 1)}
        write_json(planned.path, known | {"predictions": evaluation.predictions})
        rows = _with_pictures(benchmark.questions(), evaluation, config.evaluation.table_size)
        self.tracker.log_table(run, f"predictions/{planned.name}", rows)
        self.tracker.log_artifact(run, planned.path)


def train_stage(stage: PlannedStage, tracker: Tracker, run: str) -> None:
    """Train one stage from where it stands to its end, and write its folder.

    Raises:
        StoppedEarly: Somebody asked it to stop; its state is saved.
        ValueError: Nothing right is learned from a source, a saved state does not fit, or the loss is not a
            number.
    """
    config, folder, started = stage.config, stage.folder, time.monotonic()
    lightning.seed_everything(config.seed, verbose=False)
    model = build_model(config)
    data = build_data(config, model)
    seen = data.look(config.trainer.gate.samples)
    check_labels(seen, config.trainer.gate.tolerance)
    before = [earlier.folder.weights for earlier in stage.lineage()][:-1]
    task = build_task(config, model, data.num_steps, before)
    task.configure_model()
    trainer = build_trainer(stage, data.num_steps, tracker.logger(run))
    folder.config.write_text(OmegaConf.to_yaml(config, resolve=True))
    resumed = folder.checkpoint if folder.checkpoint.is_file() else None
    at = f", going on from step {check_checkpoint(resumed, task)}" if resumed else ""
    print(f"{stage.name}: training {folder}, {data.num_steps} steps{at}\n{describe_parts(model)}")
    print(*describe_labels(seen), sep="\n", flush=True)
    _fit(trainer, task, data, resumed)
    save_weights(model, task.adapters, folder.weights)
    transform = build_image_transform(config, model)
    manifest = describe_run(model, transform, folder.weights, stage.identity)
    loss = float(trainer.callback_metrics["train/loss"])
    seconds = round(time.monotonic() - started, 1)
    if task.num_skipped:
        print(f"{stage.name}: {task.num_skipped} samples were skipped")
    done = {"steps": data.num_steps, "last_loss": loss, "seconds": seconds, "skipped": task.num_skipped}
    folder.finish(manifest | done)


def _fit(trainer: lightning.Trainer, task: Task, data: DataModule, resumed: Path | None) -> None:
    """Train.

    Raises:
        ValueError: A process that prepares data was killed.
    """
    try:
        trainer.fit(task, datamodule=data, ckpt_path=resumed, weights_only=True)
    except RuntimeError as error:
        if "DataLoader worker (pid" in str(error):
            raise ValueError(
                f"a process that prepares data was killed at step {trainer.global_step}, perhaps for want of "
                "memory; lower trainer.num_workers, and say the same again to go on from the last checkpoint"
            ) from error
        raise


def load_model(planned: PlannedStage) -> Any:
    """Return the finished run's model, read from its folders, ready to answer."""
    lightning.seed_everything(planned.config.seed, verbose=False)  # a frozen random part returns as it was
    model = build_model(planned.config)
    model.configure_model()
    for stage in planned.lineage():
        load_weights(model, stage.folder.weights)
    return model.eval()


def _with_pictures(questions: list[Question], evaluation: Evaluation, size: int) -> list[dict[str, Any]]:
    """Return rows of the table, spread over all kinds, each with its first picture."""
    chosen = range(0, len(questions), max(1, len(questions) // max(1, size)))
    return [
        {"image": Image.open(io.BytesIO(questions[number].images[0]))} | evaluation.predictions[number]
        for number in list(chosen)[:size]
    ]


def _leaves(node: Any, prefix: str = "") -> list[tuple[str, Any]]:
    """Flatten a config: `stage.optimizer.learning_rate`, ..."""
    if isinstance(node, dict) and node:
        return [leaf for key, value in node.items() for leaf in _leaves(value, f"{prefix}{key}.")]
    return [(prefix.removesuffix("."), node)]
