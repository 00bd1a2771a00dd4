"""AdamW over what learns, and its schedule."""

from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR
from transformers import get_constant_schedule_with_warmup, get_cosine_schedule_with_warmup

from vlm.config import Optimizer, Schedule


def build_optimizer(module: nn.Module, settings: Optimizer) -> torch.optim.AdamW:
    """Return AdamW; matrices decay, biases and norms do not; parts may have rates of their own.

    Raises:
        ValueError: A rate is given to a part of which nothing learns.
    """
    rates = dict(settings.part_learning_rates)
    groups: dict[tuple[float, bool], dict[str, Any]] = {}
    learning = set()
    for name, weight in module.named_parameters():
        if not weight.requires_grad:
            continue
        part, decays = name.partition(".")[0], weight.ndim > 1
        learning.add(part)
        rate = rates.get(part, settings.learning_rate)
        decay = settings.weight_decay if decays else 0.0
        group = groups.setdefault((rate, decays), {"params": [], "lr": rate, "weight_decay": decay})
        group["params"].append(weight)
    idle = sorted(set(rates) - learning)
    if idle:
        raise ValueError(
            f"stage.optimizer.part_learning_rates.{idle[0]} has no effect: nothing of it learns; "
            f"name some of {', '.join(sorted(learning))}"
        )
    return torch.optim.AdamW(
        list(groups.values()),
        lr=settings.learning_rate,
        betas=(settings.beta1, settings.beta2),
        eps=settings.epsilon,
    )


def build_schedule(optimizer: torch.optim.Optimizer, settings: Optimizer, num_steps: int) -> LambdaLR:
    """Return a linear warm-up, then a half cosine to zero or a constant."""
    warmup_steps = -int(-settings.warmup_fraction * num_steps // 1)  # rounded up, as transformers does
    if settings.schedule is Schedule.cosine:
        return get_cosine_schedule_with_warmup(optimizer, warmup_steps, num_steps)
    return get_constant_schedule_with_warmup(optimizer, warmup_steps)
