"""What is searched: axes as Hydra writes them, choice(), interval() and range(), in Optuna's terms."""

from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep, Sweep
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

Axes = Mapping[str, BaseDistribution]
"""By the key as a word has it."""
LOG = "log"
EXAMPLE = "'stage.optimizer.learning_rate=tag(log,interval(1e-4,1e-2))'"


def read_axes(overrides: Sequence[Override]) -> tuple[list[str], dict[str, BaseDistribution]]:
    """Return the words that all cells say, and what is to be searched; the last word of a key counts.

    Raises:
        ValueError: Nothing is to be searched, or a word says what Optuna cannot.
    """
    last = {override.get_key_element(): override for override in overrides}
    fixed = [
        key if override.value_type is None else f"{key}={override.get_value_element_as_str()}"
        for key, override in last.items()
        if not override.is_sweep_override()
    ]
    axes = {key: _distribution(override) for key, override in last.items() if override.is_sweep_override()}
    if not axes:
        raise ValueError(f"there is nothing to search; say an axis: {EXAMPLE}")
    return fixed, axes


def corners(axes: Axes) -> list[dict[str, Any]]:
    """Return cells in which every choice, and both ends of every interval, occur."""
    ends = {key: _ends(axis) for key, axis in axes.items()}
    most = max(len(values) for values in ends.values())
    return [{key: values[min(n, len(values) - 1)] for key, values in ends.items()} for n in range(most)]


def _ends(axis: BaseDistribution) -> list[Any]:
    if isinstance(axis, CategoricalDistribution):
        return list(axis.choices)
    assert isinstance(axis, IntDistribution | FloatDistribution)
    return [axis.low, axis.high]


def _distribution(override: Override) -> BaseDistribution:
    """Return an axis; a range ends before its end, as in a grid.

    Raises:
        ValueError: A tag means nothing for it.
    """
    sweep = override._value
    tags = set(sweep.tags) if isinstance(sweep, Sweep) else set()
    is_log = LOG in tags and isinstance(sweep, IntervalSweep)
    if tags - ({LOG} if is_log else set()):
        raise ValueError(f"{override.input_line}: the only tag is log, of an interval, as in {EXAMPLE}")
    if isinstance(sweep, IntervalSweep):
        assert sweep.start is not None
        assert sweep.end is not None
        if isinstance(sweep.start, int):  # as int(interval(...)) is
            return IntDistribution(sweep.start, int(sweep.end), log=is_log)
        return FloatDistribution(sweep.start, sweep.end, log=is_log)
    if isinstance(sweep, RangeSweep):
        values = sorted(sweep.range())
        if isinstance(values[0], int):
            return IntDistribution(values[0], int(values[-1]), step=int(abs(sweep.step)))
        return FloatDistribution(values[0], values[-1], step=float(abs(sweep.step)))
    return CategoricalDistribution(list(override.sweep_string_iterator()))
