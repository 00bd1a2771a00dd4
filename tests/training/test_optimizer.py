"""AdamW's groups and the schedule's values."""

import pytest
from torch import nn

from vlm.config import Optimizer, Schedule
from vlm.training.optimizer import build_optimizer, build_schedule


def rates(settings: Optimizer, num_steps: int) -> list[float]:
    optimizer = build_optimizer(nn.Linear(2, 2), settings)
    schedule = build_schedule(optimizer, settings, num_steps)
    seen = []
    for _ in range(num_steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return [*seen, optimizer.param_groups[0]["lr"]]


def test_matrices_decay_and_biases_and_norms_do_not() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4))
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


def test_parts_may_have_rates_of_their_own() -> None:
    model = nn.ModuleDict({"encoder": nn.Linear(2, 2), "projector": nn.Linear(2, 2)})
    settings = Optimizer(learning_rate=1.0, part_learning_rates={"encoder": 0.1})
    rates = {
        id(weight): group["lr"]
        for group in build_optimizer(model, settings).param_groups
        for weight in group["params"]
    }
    assert {rates[id(weight)] for weight in model["encoder"].parameters()} == {0.1}
    assert {rates[id(weight)] for weight in model["projector"].parameters()} == {1.0}
    model["encoder"].requires_grad_(False)
    with pytest.raises(ValueError, match=r"part_learning_rates.encoder has no effect: nothing of it learns"):
        build_optimizer(model, settings)
