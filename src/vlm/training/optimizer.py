"""AdamW over what learns, and its schedule."""

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR
from transformers import get_constant_schedule_with_warmup, get_cosine_schedule_with_warmup

from vlm.config import Optimizer, Schedule


def build_optimizer(module: nn.Module, settings: Optimizer) -> torch.optim.AdamW:
    """Return AdamW; matrices decay, biases and norms do not."""
    learning = [weight for weight in module.parameters() if weight.requires_grad]
    groups = [
        {"params": [weight for weight in learning if weight.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [weight for weight in learning if weight.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
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
