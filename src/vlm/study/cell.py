"""One sentence, done: its stages trained unless they are, its benchmarks asked unless they were."""

from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from vlm import ranks
from vlm.build import build_strategy, build_tracker, check_parts
from vlm.compose import Sentence
from vlm.config import PARTS
from vlm.quiet import quiet_libraries
from vlm.sentence import PlannedStage
from vlm.study.examination import Examination, Load
from vlm.study.scores import PlannedEvaluation, known_metrics, plan_evaluations
from vlm.study.stage import load_model, train_stage
from vlm.tracking.base import Tracker
from vlm.tracking.none import NoTracker
from vlm.tracking.provenance import provenance


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
        self.words = {group: choice for group, choice in sentence.choices.items() if "@" not in group}
        # The first process of a group keeps the record of all.
        self.tracker: Tracker = NoTracker() if ranks.rank() else build_tracker(sentence.config)
        torch.set_num_threads(sentence.config.trainer.num_threads)
        if torch.cuda.is_available():
            torch.set_float32_matmul_precision("high")  # TF32

    def run(self) -> str:
        """Do what is missing; return the tracker's name of the run."""
        with ranks.joined(
            self.sentence.config.trainer.accelerator, build_strategy(self.sentence.config).is_group
        ):
            return self._run()

    def _run(self) -> str:
        config = self.sentence.config
        for stage in self.planned.lineage():
            check_parts(stage.config)
        name = " ".join(self.overrides) or config.name
        run = self._start(
            name, config.parent, config, self.words, {"cell": name, "model": str(self.planned.folder)}
        )
        try:
            for stage in self.planned.lineage():
                self._train(stage, run)
            evaluations = plan_evaluations(self.planned)
            load = partial(load_model, self.planned)
            Examination(self.sentence.config, load, self.tracker, run).run(evaluations)
        except BaseException:
            self.tracker.finish(run, succeeded=False)
            raise
        if ranks.rank():
            return run
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
        with nullcontext() if ranks.rank() else stage.folder.lock():
            if ranks.agreed(stage.folder.is_finished):
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

    def score(self, evaluations: list[PlannedEvaluation], load: Load, name: str) -> None:
        """Ask a model that is not to be trained, and record what it scores.

        Args:
            evaluations: Its benchmarks.
            load: Returns it.
            name: Of the tracker's run.
        """
        config = self.sentence.config
        with ranks.joined(config.trainer.accelerator, alone=False):
            run = self._start(name, config.parent, config, self.words, {"folder": str(self.planned.folder)})
            Examination(config, load, self.tracker, run).run(evaluations)
            if not ranks.rank():
                self.tracker.log_metrics(run, known_metrics(evaluations))
            self.tracker.finish(run, succeeded=True)


def _leaves(node: Any, prefix: str = "") -> list[tuple[str, Any]]:
    """Flatten a config: `stage.optimizer.learning_rate`, ..."""
    if isinstance(node, dict) and node:
        return [leaf for key, value in node.items() for leaf in _leaves(value, f"{prefix}{key}.")]
    return [(prefix.removesuffix("."), node)]
