"""AdamW over what learns, and its rates, a function of the step."""

import math
from typing import Any

import torch
from torch import nn

from vlm.config import PARTS, Optimizer, PartOptimizer
from vlm.values import Schedule


def build_optimizer(module: nn.Module, settings: Optimizer) -> torch.optim.AdamW:
    """Return AdamW; matrices decay, biases and norms do not; parts may have rates of their own.

    Its groups carry the `part` whose weights they hold, and that part's `peak` rate.

    Raises:
        ValueError: Something is set for a part of which nothing learns.
    """
    groups: dict[tuple[str, bool], dict[str, Any]] = {}
    for name, weight in module.named_parameters():
        if not weight.requires_grad:
            continue
        part, decays = name.partition(".")[0], weight.ndim > 1
        peak = _of(settings, part).learning_rate or settings.learning_rate
        decay = settings.weight_decay if decays else 0.0
        group = {"params": [], "lr": peak, "weight_decay": decay, "part": part, "peak": peak}
        groups.setdefault((part, decays), group)["params"].append(weight)
    learning = {part for part, _ in groups}
    for part in PARTS:
        if part not in learning and _of(settings, part) != PartOptimizer():
            raise ValueError(
                f"stage.optimizer.{part} has no effect: nothing of it learns; set that of "
                + ", ".join(sorted(learning))
            )
    return torch.optim.AdamW(
        list(groups.values()),
        lr=settings.learning_rate,
        betas=(settings.beta1, settings.beta2),
        eps=settings.epsilon,
        fused=True,
    )


def _of(settings: Optimizer, part: str) -> PartOptimizer:
    own: PartOptimizer = vars(settings).get(part, PartOptimizer())
    return own


def set_rates(optimizer: torch.optim.Optimizer, settings: Optimizer, step: int, num_steps: int) -> None:
    """Give each group its rate at a step: nothing is remembered, so there is nothing to save."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * rate_factor(settings, group["part"], step, num_steps)


def rate_factor(settings: Optimizer, part: str, step: int, num_steps: int) -> float:
    """Return the share of its peak rate that a part learns at.

    A linear warm-up, then half a cosine to zero, or a constant.

    Args:
        settings: Of the stage.
        part: Whose warm-up and first step may be its own.
        step: From 0.
        num_steps: Of the whole stage.
    """
    own = _of(settings, part)
    fraction = settings.warmup_fraction if own.warmup_fraction is None else own.warmup_fraction
    step, num_steps = step - own.first_step, num_steps - own.first_step
    warmup_steps = math.ceil(fraction * num_steps)  # rounded up, as transformers does
    if step < 0:
        return 0.0
    if step < warmup_steps:
        return step / warmup_steps
    if settings.schedule is Schedule.constant:
        return 1.0
    progress = (step - warmup_steps) / max(1, num_steps - warmup_steps)
    return 0.5 * (1.0 + math.cos(math.pi * progress))


def drop_early(optimizer: torch.optim.Optimizer, settings: Optimizer, step: int) -> None:
    """Drop the gradients of parts whose first step is still to come: they are frozen until then."""
    for group in optimizer.param_groups:
        if step < _of(settings, group["part"]).first_step:
            for weight in group["params"]:
                weight.grad = None
