"""What steps spend is known before any is taken, by the lengths that samples really have."""

import pytest

from tests.conftest import Compose
from vlm.build import build_model
from vlm.build_data import build_cost, build_dataset
from vlm.data.spending import RowContent, row_contents, steps_within
from vlm.data.steps import StepDataset

LAYOUTS = {
    "packed": [],
    "short rows": ["trainer.tokens_per_row=200"],
    "padded": ["stage.batching.mode=padded", "trainer.samples_per_row=2"],
    "grouped": ["stage.batching.mode=grouped", "trainer.samples_per_row=2"],
    "tiles": ["image@stage.image=anyres"],
}


def dataset(compose: Compose, *words: str) -> StepDataset:
    config = compose("trainer.max_steps=3", *words)
    return build_dataset(config, build_model(config))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_contents_are_those_of_the_rows_that_are_read(layout: str, compose: Compose) -> None:
    steps = dataset(compose, *LAYOUTS[layout])
    for step in range(steps.num_steps):
        read = [
            RowContent(len(row.tiles), row.edges.lengths, row.num_supervised, len(row.visual_index))
            for row in steps[step].rows
        ]
        assert list(row_contents(steps, step)) == read


def test_rows_of_one_size_are_filled_up(compose: Compose) -> None:
    steps = dataset(compose)
    steps.row_size = 1000
    assert all(sum(row.lengths) == 1000 for row in row_contents(steps, 0))
    assert [row.lengths for row in row_contents(steps, 0)] == [row.edges.lengths for row in steps[0].rows]


@pytest.mark.parametrize(("amount", "steps"), [(4, 1), (5.9, 1), (6.1, 2), (10, 2), (14, 3)])
def test_the_number_of_steps_is_the_nearest(amount: float, steps: int, compose: Compose) -> None:
    assert steps_within(dataset(compose, "trainer.max_steps=9"), lambda row: 4, amount) == steps


def test_amounts_that_pay_for_nothing_or_for_everything_are_refused(
    compose: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match=r"budget.amount=1 pays for no step: the first costs 4; raise it"):
        steps_within(dataset(compose), lambda row: 4, 1)
    monkeypatch.setattr("vlm.data.spending.MOST_STEPS", 2)
    with pytest.raises(ValueError, match=r"pays for more than 2 steps; look at its unit"):
        steps_within(dataset(compose), lambda row: 4, 1e9)
    assert steps_within(dataset(compose), lambda row: 4, 1e9, most=1) == 1


@pytest.mark.parametrize("kind", ["tokens", "visual_tokens", "flops"])
def test_a_stage_takes_the_steps_that_its_budget_pays_for(kind: str, compose: Compose) -> None:
    free = compose("trainer.max_steps=null", f"budget={kind}", "budget.amount=1")
    cost = build_cost(free)
    steps = dataset(compose, "trainer.max_steps=9")
    costs = [sum(map(cost, row_contents(steps, step))) for step in range(9)]
    amount = sum(costs[:5]) + 0.4 * costs[5]
    words = ["trainer.max_steps=null", f"budget={kind}", f"budget.amount={amount}"]
    assert dataset(compose, *words).num_steps == 5
    assert dataset(compose, *words, "trainer.max_steps=2").num_steps == 2
    assert dataset(compose, *words, "stage.steps=1").num_steps == 5


def test_samples_are_read_to_the_last(compose: Compose) -> None:
    steps = dataset(compose, "trainer.max_steps=null", "budget=samples", "budget.amount=11")
    assert (steps.num_steps, steps.num_samples) == (3, 11)
