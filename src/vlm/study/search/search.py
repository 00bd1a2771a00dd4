"""A search over axes: Optuna is asked for cells, and told what they scored.

Its study is kept with the sweep's cells, whose numbers are those of its trials, so a search that was stopped
goes on: what was cut off, or failed, is asked again, and then new cells until there are as many as wanted.
"""

import json
import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from omegaconf import DictConfig
from optuna.distributions import check_distribution_compatibility
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from vlm.compose import check_limits
from vlm.instantiate import make
from vlm.sentence import read_sentence
from vlm.study.outcome import OUTCOME, Outcome
from vlm.study.scores import plan_evaluations
from vlm.study.search.axes import Axes, corners
from vlm.study.search.objective import require_objective


def open_study(name: str, storage: str, direction: str, sampler: DictConfig, seed: int) -> optuna.Study:
    """Return the study, as far as it has come.

    Args:
        name: In the store.
        storage: As Optuna spells it.
        direction: `maximize` or `minimize`.
        sampler: Of Optuna's.
        seed: Of the sampler; one that goes on must not draw again what it drew before.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        study_name=name,
        storage=storage,
        direction=StudyDirection[direction.upper()],
        load_if_exists=True,
    )
    study.sampler = make(sampler, seed=seed + len(study.trials))
    return study


class Search:
    """Cells of one study.

    Args:
        study: Optuna's.
        fixed: Words that all cells say.
        axes: What is searched.
        folder: Of the sweep.
    """

    def __init__(self, study: optuna.Study, fixed: Sequence[str], axes: Axes, folder: Path) -> None:
        self.study, self.fixed, self.axes, self.folder = study, list(fixed), dict(axes), folder
        self._again: list[dict[str, Any]] = []

    def words(self, params: Mapping[str, Any]) -> list[str]:
        """Return the words of a cell."""
        return [*self.fixed, *(f"{key}={value}" for key, value in params.items())]

    @property
    def num_done(self) -> int:
        """Cells that have been scored."""
        return len(self._done())

    def _done(self) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))

    def begin(self, compose: Callable[[list[str]], DictConfig]) -> None:
        """Look at the axes' ends and choices before anything is trained, and find what a stop has left open.

        Args:
            compose: Returns the sentence of a cell.

        Raises:
            hydra.errors.HydraException, omegaconf.errors.OmegaConfBaseException: A cell is no sentence.
            ValueError: The objective is none, or the study has cells of another kind.
        """
        configs = [compose(self.words(params)) for params in corners(self.axes)]
        for config in configs:
            check_limits(config)
        require_objective(configs[0], self.study.direction.name.lower())
        self._require_same_kind(compose)
        self._leave_off()

    def _require_same_kind(self, compose: Callable[[list[str]], DictConfig]) -> None:
        """Refuse to mix cells that differ in more than the axes say.

        Raises:
            ValueError: They would.
        """
        remedy = f"search under another name, or begin again: vlm forget name={self.folder.name}"
        for trial in self.study.trials:
            for key in trial.distributions.keys() & self.axes.keys():
                try:
                    check_distribution_compatibility(trial.distributions[key], self.axes[key])
                except ValueError as error:
                    raise ValueError(f"the study has had other choices of {key}; {remedy}") from error
        first = next(iter(self._done()), None)
        outcome = Outcome.read(self.folder / str(first.number)) if first else None
        if not first or not outcome:
            return
        planned = read_sentence(compose(self.words(first.params)))
        evaluations = {known.name: known.path.name for known in plan_evaluations(planned)}
        known = {name: Path(path).name for name, path in outcome.evaluations.items()}
        if planned.folder.path.name != Path(outcome.run_folders[-1]).name or evaluations != known:
            raise ValueError(
                f"the study's cell {first.number} is of other words, data or code than these give; {remedy}"
            )

    def _leave_off(self) -> None:
        """Give up trials that were cut off, forget cells that no trial has finished, and keep the others."""
        for _ in self.study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            self.study.ask()
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            self.study.tell(trial.number, state=TrialState.FAIL)
        done = self._done()
        seen = {_key(trial.params) for trial in done}
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.FAIL,)):
            if trial.params.keys() == self.axes.keys() and _key(trial.params) not in seen:
                seen.add(_key(trial.params))
                self._again.append(trial.params)
        kept = {str(trial.number) for trial in done}
        for path in self.folder.glob(f"*/{OUTCOME}"):
            if path.parent.name in kept:
                path.touch()  # it counts as of this sweep
            else:
                shutil.rmtree(path.parent)

    def ask(self, number: int) -> list[optuna.Trial]:
        """Return so many cells to try, with successive numbers."""
        trials = []
        for _ in range(number):
            if self._again:
                self.study.enqueue_trial(self._again.pop(0))
            trials.append(self.study.ask(self.axes))
        return trials

    def tell(self, trial: optuna.Trial, value: float | None) -> None:
        """Note what a cell scored; None if it failed."""
        if value is not None and math.isfinite(value):
            self.study.tell(trial, value)
            print(f"cell {trial.number}: objective {value:.5g}", flush=True)
        else:
            self.study.tell(trial, state=TrialState.FAIL)

    def say_best(self) -> None:
        """Print the cell that the study holds for the best."""
        if self.num_done:
            best = self.study.best_trial
            words = " ".join(f"{key}={value}" for key, value in best.params.items())
            where = f"cell {best.number}, objective {best.value:.5g}"
            print(f"best of {self.num_done} cells: {words} ({where})", flush=True)


def _key(params: Mapping[str, Any]) -> str:
    return json.dumps(params, sort_keys=True)
