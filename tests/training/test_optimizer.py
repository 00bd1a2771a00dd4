"""AdamW's groups and the schedule's values."""

import pytest
import torch
from torch import nn

from vlm.config import Optimizer, PartOptimizer
from vlm.training.optimizer import build_optimizer, drop_early, rate_factor, set_rates
from vlm.values import Schedule


def rates(settings: Optimizer, num_steps: int, part: str = "weight") -> list[float]:
    return [
        settings.learning_rate * rate_factor(settings, part, step, num_steps) for step in range(num_steps + 1)
    ]


def test_matrices_decay_and_biases_and_norms_do_not() -> None:
    module = nn.ModuleDict({"llm": nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4))})
    decaying, others = build_optimizer(module, Optimizer(learning_rate=1.0, weight_decay=0.1)).param_groups
    assert decaying["weight_decay"] == 0.1
    assert [weight.ndim for weight in decaying["params"]] == [2]
    assert others["weight_decay"] == 0.0
    assert len(others["params"]) == 3


def test_frozen_weights_are_not_the_optimizers() -> None:
    module = nn.Linear(3, 4)
    module.bias.requires_grad_(False)
    groups = build_optimizer(module, Optimizer(learning_rate=1.0)).param_groups
    assert [weight for group in groups for weight in group["params"]] == [module.weight]


def test_cosine_warms_up_and_falls_to_zero() -> None:
    seen = rates(Optimizer(learning_rate=2.0, warmup_fraction=0.1), 40)
    assert seen[:5] == pytest.approx([0.0, 0.5, 1.0, 1.5, 2.0])
    middle = 4 + (40 - 4) // 2
    assert seen[middle] == pytest.approx(1.0)
    assert seen[-1] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(("steps", "warmup"), [(2181, 66), (5198, 156)])
def test_warm_up_is_llavas(steps: int, warmup: int) -> None:
    """LLaVA-1.5: 3 % of 2,181 and of 5,198 steps, rounded up."""
    seen = rates(Optimizer(learning_rate=1.0, warmup_fraction=0.03), steps)
    assert seen.index(max(seen)) == warmup


def test_constant_stays() -> None:
    settings = Optimizer(learning_rate=2.0, warmup_fraction=0.0, schedule=Schedule.constant)
    assert set(rates(settings, 10)) == {2.0}


def two_parts() -> nn.ModuleDict:
    return nn.ModuleDict({"encoder": nn.Linear(2, 2), "projector": nn.Linear(2, 2)})


def test_parts_may_have_rates_of_their_own() -> None:
    model = two_parts()
    settings = Optimizer(learning_rate=1.0, encoder=PartOptimizer(learning_rate=0.1), warmup_fraction=0.0)
    optimizer = build_optimizer(model, settings)
    set_rates(optimizer, settings, 5, 10)
    found = {id(weight): group["lr"] for group in optimizer.param_groups for weight in group["params"]}
    assert [found[id(weight)] for weight in model["encoder"].parameters()] == pytest.approx([0.05, 0.05])
    assert [found[id(weight)] for weight in model["projector"].parameters()] == pytest.approx([0.5, 0.5])
    model["encoder"].requires_grad_(False)
    with pytest.raises(ValueError, match=r"stage.optimizer.encoder has no effect: nothing of it learns"):
        build_optimizer(model, settings)


def test_a_part_may_warm_up_longer_and_begin_later() -> None:
    late = PartOptimizer(warmup_fraction=0.5, first_step=4)
    settings = Optimizer(learning_rate=1.0, warmup_fraction=0.0, encoder=late)
    assert rates(settings, 12, "projector")[0] == 1.0
    assert rates(settings, 12, "encoder")[:9] == pytest.approx([0, 0, 0, 0, 0, 0.25, 0.5, 0.75, 1])
    assert rates(settings, 12, "encoder")[12] == pytest.approx(0)


def test_before_its_first_step_a_part_is_frozen() -> None:
    model = two_parts()
    settings = Optimizer(learning_rate=1.0, weight_decay=0.5, encoder=PartOptimizer(first_step=2))
    optimizer = build_optimizer(model, settings)
    before = model["encoder"].weight.clone()
    for step in range(3):
        for weight in model.parameters():
            weight.grad = torch.ones_like(weight)
        set_rates(optimizer, settings, step, 10)
        drop_early(optimizer, settings, step)
        optimizer.step()
        assert (model["encoder"].weight in optimizer.state) == (step == 2)
        assert torch.equal(model["encoder"].weight, before) or step == 2
