"""What a search goes by, looked at before it begins."""

from omegaconf import DictConfig


def require_objective(config: DictConfig, direction: str) -> None:
    """Refuse a search that would end in no number, or go the wrong way.

    Raises:
        ValueError: It would.
    """
    objective = config.objective
    benchmarks = [f"benchmark/{name}/METRIC" for name in config.evaluation.benchmarks]
    held = [str(name) for name, source in config.mixture.items() if source.held_out]
    losses = ["validation/loss", *(f"validation/{name}/loss" for name in held)] if held else []
    is_scored = any(str(objective).startswith(known.removesuffix("METRIC")) for known in benchmarks)
    if objective is None and not benchmarks:
        raise ValueError(
            "objective is null, which is the mean of the benchmarks' headlines, but there are none; say "
            "evaluation=NAME, or mixture.SOURCE.held_out=100 objective=validation/loss"
        )
    if objective is not None and objective not in losses and not is_scored:
        choices = ", ".join([*benchmarks, *losses]) or "none: no benchmark is asked and nothing is held out"
        raise ValueError(f"objective={objective} is none of these cells' metrics, which are {choices}")
    if objective in losses and direction == "maximize":
        raise ValueError(f"objective={objective} is a loss; say hydra.sweeper.direction=minimize")
