"""One sentence, done: its stages trained unless they are, its benchmarks asked unless they were."""

from contextlib import nullcontext
from functools import partial
from pathlib import Path

import torch
from omegaconf import DictConfig

from vlm import ranks
from vlm.build import build_strategy, build_tracker, check_parts
from vlm.compose import Sentence
from vlm.quiet import quiet_libraries
from vlm.sentence import PlannedStage
from vlm.study.examination import Examination, Load
from vlm.study.outcome import seconds_of
from vlm.study.scores import PlannedEvaluation, known_metrics, plan_evaluations
from vlm.study.settle import settle
from vlm.study.stage import load_model, train_stage
from vlm.study.swept import Swept
from vlm.study.told import (
    describe_cell,
    describe_stage,
    name_of,
    params_of,
    question_of,
    stage_words,
    words_of,
)
from vlm.study.views import SECONDS
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
        self.words = words_of(sentence.choices)
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
        for stage in self.planned.lineage():
            check_parts(stage.config)
        run = self._start_cell()
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
        taken = seconds_of(self.planned, [evaluation.read() or {} for evaluation in evaluations])
        self.tracker.log_metrics(run, known_metrics(evaluations) | {SECONDS: taken})
        self._keep(self.planned, run)
        self.tracker.finish(run, succeeded=True)
        return run

    def _start_cell(self) -> str:
        """Open the run that its stages' are children of."""
        config, said = self.sentence.config, self.overrides
        swept = Swept.read(Path(config.cell).parent) if config.cell else None
        question = question_of(self.sentence.choices)
        if question and not swept:  # a sweep has said it
            self.tracker.describe(config.name, question)
        name = name_of(said, swept.axes if swept else [], config.name)
        tags = {"level": "cell", "cell": " ".join(said), "model": str(self.planned.folder)}
        told = describe_cell(self.planned, self.words, said)
        return self._start(name, config.parent, config, self.words, tags, said, told)

    def _start_stage(self, stage: PlannedStage, cell_run: str, purpose: str) -> str:
        """Open the run of a stage, or of a short training before one."""
        words = stage_words(self.sentence.choices, stage, self.planned)
        name = " ".join(filter(None, (stage.name, purpose)))
        said = self.overrides if stage.folder.path == self.planned.folder.path else []
        tags = {"level": "stage", "folder": str(stage.folder)}
        return self._start(name, cell_run or None, stage.config, words, tags, said, describe_stage(stage))

    def _start(
        self,
        name: str,
        parent: str | None,
        config: DictConfig,
        words: dict[str, str],
        tags: dict[str, str],
        said: list[str],
        description: str,
    ) -> str:
        """Open a run whose params are the words and what tells something beside, and whose tags filter."""
        sweep = {"sweep": config.parent} if config.parent else {}
        tags = {**words, **sweep, "git_commit": provenance()["git_commit"], **tags}
        params = params_of(config, words, said)
        return self.tracker.start(config.name, name, parent, tags, params, description)

    def _train(self, stage: PlannedStage, cell_run: str, purpose: str = "") -> None:
        """Train the stage, unless it is finished or somebody else finishes it first.

        Args:
            stage: Those before it are trained.
            cell_run: The tracker's run of the cell.
            purpose: Of a short training that settles what a stage leaves open.
        """
        with nullcontext() if ranks.rank() else stage.folder.lock():
            if ranks.agreed(stage.folder.is_finished):
                return
            stage = settle(stage, lambda short, purpose: self._train(short, cell_run, purpose))
            run = self._start_stage(stage, cell_run, purpose)
            try:
                train_stage(stage, self.tracker, run)
                self._keep(stage, run)
            except BaseException:
                self.tracker.finish(run, succeeded=False)
                raise
            self.tracker.finish(run, succeeded=True)

    def _keep(self, stage: PlannedStage, run: str) -> None:
        """Record what the finished stage says of itself."""
        for path in (stage.folder.config, stage.folder.manifest, stage.folder.trace):
            if path.is_file():  # an earlier version's run has no trace
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
            tags = {"level": "cell", "folder": str(self.planned.folder)}
            told = f"Scores of `{self.planned.folder}`"
            run = self._start(name, config.parent, config, self.words, tags, self.overrides, told)
            Examination(config, load, self.tracker, run).run(evaluations)
            if not ranks.rank():
                self.tracker.log_metrics(run, known_metrics(evaluations))
            self.tracker.finish(run, succeeded=True)
