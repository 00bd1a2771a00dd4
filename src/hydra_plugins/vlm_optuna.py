"""Hydra's sweeper by Optuna, `hydra/sweeper=optuna`: what earlier cells scored says which cells are next.

The published plugin wants Optuna 2, whose store does not work beside the SQLAlchemy that MLflow wants. Hydra
finds this page by its place, and reads it whenever anything is composed: nothing heavy is imported before a
search.
"""

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import MISSING, DictConfig, flag_override


class Direction(Enum):
    """Where the objective is to go."""

    maximize = "maximize"
    minimize = "minimize"


@dataclass
class TPE:
    """A tree-structured Parzen estimator; the first ten cells are drawn at random."""

    _target_: str = "optuna.samplers.TPESampler"
    n_startup_trials: int = 10
    constant_liar: bool = True
    """Cells that run at the same time keep away from each other."""


@dataclass
class GaussianProcess:
    """A Gaussian process: for few and costly cells."""

    _target_: str = "optuna.samplers.GPSampler"
    n_startup_trials: int = 10


@dataclass
class Random:
    """Every cell is drawn at random."""

    _target_: str = "optuna.samplers.RandomSampler"


@dataclass
class OptunaConf:
    """What `hydra.sweeper` holds."""

    defaults: list[Any] = field(default_factory=lambda: [{"sampler": "tpe"}])
    _target_: str = "hydra_plugins.vlm_optuna.OptunaSweeper"
    _recursive_: bool = False
    sampler: Any = MISSING
    """A choice of the group `hydra/sweeper/sampler`."""
    direction: Direction = Direction.maximize
    n_trials: int = 20
    """Cells that are wanted in all, whenever they were done."""
    n_jobs: int = 1
    """Cells that are chosen, and launched, together."""
    seed: int = 1
    """Of the sampler."""
    study_name: str = "${name}"
    storage: str = "sqlite:///${hydra.sweep.dir}/study.db"
    """As Optuna spells it."""
    params: dict[str, str] | None = None
    """Axes that an experiment states."""


for name, node in {"tpe": TPE, "gp": GaussianProcess, "random": Random}.items():
    ConfigStore.instance().store(group="hydra/sweeper/sampler", name=name, node=node, provider="vlm")
ConfigStore.instance().store(group="hydra/sweeper", name="optuna", node=OptunaConf, provider="vlm")


class OptunaSweeper(Sweeper):
    """Ask Optuna for cells and tell it what came of them; see `OptunaConf` for the arguments.

    Raises:
        ValueError: A number is below 1.
    """

    def __init__(
        self,
        sampler: DictConfig,
        direction: Direction,
        n_trials: int,
        n_jobs: int,
        seed: int,
        study_name: str,
        storage: str,
        params: dict[str, str] | None,
    ) -> None:
        for key, value in (("n_trials", n_trials), ("n_jobs", n_jobs)):
            if value < 1:
                raise ValueError(f"hydra.sweeper.{key} must be at least 1, got {value}")
        self.sampler, self.direction, self.n_trials, self.n_jobs = sampler, direction.value, n_trials, n_jobs
        self.seed, self.study_name, self.storage, self.params = seed, study_name, storage, params
        self.hydra_context: HydraContext | None = None
        self.config: DictConfig | None = None
        self.launcher: Launcher | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra gives to every sweeper."""
        self.hydra_context, self.config = hydra_context, config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Run cells until the study has as many as are wanted, or as many were tried as were missing."""
        from vlm.study.search.axes import read_axes  # noqa: PLC0415 (Optuna takes a second)
        from vlm.study.search.search import Search, open_study  # noqa: PLC0415

        assert self.launcher
        assert self.config
        assert self.hydra_context
        stated = [f"{key}={value}" for key, value in (self.params or {}).items()]
        parser = OverridesParser.create(self.hydra_context.config_loader)
        fixed, axes = read_axes(parser.parse_overrides([*stated, *arguments]))
        study = open_study(self.study_name, self.storage, self.direction, self.sampler, self.seed)
        search = Search(study, fixed, axes, Path(self.config.hydra.sweep.dir))
        search.begin(self._compose)
        missing = self.n_trials - search.num_done
        while missing > 0:
            trials = search.ask(min(missing, self.n_jobs))
            jobs = self.launcher.launch([search.words(trial.params) for trial in trials], trials[0].number)
            for trial, job in zip(trials, jobs, strict=True):
                search.tell(trial, job.return_value)
            missing -= len(trials)
        search.say_best()

    def _compose(self, words: list[str]) -> DictConfig:
        """Return the sentence of a cell."""
        assert self.hydra_context
        assert self.config
        config = self.hydra_context.config_loader.load_sweep_config(self.config, words)
        with flag_override(config, ["struct", "readonly"], False):
            del config["hydra"]
        return config
