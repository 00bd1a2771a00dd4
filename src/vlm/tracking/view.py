"""A way to look at the runs of an experiment."""

from dataclasses import dataclass


@dataclass(frozen=True)
class View:
    """What is shown of which runs.

    Args:
        key: Names it in addresses.
        title: Names it to who looks.
        tags: Only runs that have all of these are shown.
        params: Shown of each run, in this order.
        metrics: Shown of each run, in this order.
        sorted_by: A metric; the highest comes first. None sorts by name.
        folded_by: Runs that agree in these params are one, with the mean of each metric; none folds nothing.
        bars: Metrics that are drawn as bars, a bar for each run.
        lines: Metrics that are drawn over the steps, a line for each run.
        draws: Whether the charts are shown first, and not the table.
    """

    key: str
    title: str
    tags: dict[str, str]
    params: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    sorted_by: str | None = None
    folded_by: tuple[str, ...] = ()
    bars: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    draws: bool = False

    @property
    def mode(self) -> str:
        """What is shown first, as MLflow's page calls it."""
        return "CHART" if self.draws else "TABLE"
