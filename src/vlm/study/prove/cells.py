"""The cells of a sweep before any of them runs: the words that Hydra's sweeper would give to each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hydra import compose, initialize_config_dir
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.types import RunMode
from omegaconf import DictConfig

from vlm.compose import spell_out
from vlm.paths import config_dir


@dataclass(frozen=True)
class CellWords:
    """One cell.

    Args:
        words: All of its sentence.
        axes: Its value on each axis of the sweep, by key: `{"projector": "linear"}`.
    """

    words: tuple[str, ...]
    axes: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """What tells it from the others, or all of its words."""
        return " ".join(f"{key}={value}" for key, value in self.axes.items()) or " ".join(self.words)


def expand(words: Sequence[str], multirun: bool) -> list[CellWords]:
    """Return the cells that `vlm train` would run for these words, in its order.

    A sweep is one that is asked for, or whose experiment says that it is one.

    Args:
        words: As `vlm train` takes them.
        multirun: Whether `-m` was among them.

    Raises:
        hydra.errors.HydraException: A word cannot be read, or names no choice or key.
        ValueError: The sweep chooses its cells as it goes.
    """
    words = spell_out(words)
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        parser = OverridesParser.create(
            GlobalHydra.instance().config_loader()
        )  # which knows what a glob finds
        parsed = parser.parse_overrides(words)
        fixed = [word for word, override in zip(words, parsed, strict=True) if _is_fixed(override)]
        hydra = compose("config", fixed, return_hydra_config=True).hydra
        if not multirun and hydra.mode is not RunMode.MULTIRUN:
            return [CellWords(tuple(words))]
        _require_grid(hydra)
        stated = [f"{key}={value}" for key, value in (hydra.sweeper.params or {}).items()]
        own = [word for word, override in zip(words, parsed, strict=True) if not override.is_hydra_override()]
        overrides = parser.parse_overrides([*stated, *own])
        [jobs] = BasicSweeper.split_arguments(overrides, None)
    last = {override.get_key_element(): override for override in overrides}
    axes = {key for key, override in last.items() if not _is_fixed(override)}
    return [CellWords(tuple(job), _values(job, axes)) for job in jobs]


def _is_fixed(override: Override) -> bool:
    return not override.is_sweep_override()


def _require_grid(hydra: DictConfig) -> None:
    """Refuse a sweeper whose cells depend on what earlier cells gave.

    Raises:
        ValueError: It is one.
    """
    grid = f"{BasicSweeper.__module__}.{BasicSweeper.__qualname__}"
    if hydra.sweeper._target_ != grid:
        raise ValueError(
            f"hydra/sweeper is {hydra.sweeper._target_}, whose cells are not known before they run; "
            "prove the sweep with hydra/sweeper=basic"
        )


def _values(job: Sequence[str], axes: set[str]) -> dict[str, str]:
    pairs = (word.split("=", 1) for word in job)
    return {key: value for key, value in pairs if key in axes}
