"""Rows hold what differs; baselines are found by their words."""

import pytest

from vlm.study.comparison.rows import axes, choose_baselines, fold, scale
from vlm.study.outcome import Outcome


def cell(*words: str, score: float | None = 0.5, error: str | None = None) -> Outcome:
    metrics = {} if score is None else {"benchmark/pope/f1": score}
    return Outcome(["experiment=x", *words], metrics=metrics, headlines={"pope": "f1"}, error=error)


def test_seeds_are_folded_and_only_what_differs_is_said() -> None:
    cells = [
        cell(f"projector={word}", f"seed={seed}", score=seed / 10)
        for word in ("linear", "mlp2")
        for seed in (1, 2, 3)
    ]
    rows = fold(cells)
    assert [row.label for row in rows] == ["projector=linear", "projector=mlp2"]
    assert [row.numbers for row in rows] == [(0, 1, 2), (3, 4, 5)]
    assert rows[1].values("benchmark/pope/f1") == [0.1, 0.2, 0.3]
    assert axes(rows) == {"projector": ["linear", "mlp2"]}


def test_seeds_alone_are_one_row() -> None:
    [row] = fold([cell("seed=1"), cell("seed=2")])
    assert row.label == "experiment=x"
    assert axes([row]) == {}


def test_what_is_not_said_is_the_default() -> None:
    rows = fold([cell(), cell("+template@mixture.ocr.template=v1"), cell("~mixture.count")])
    assert axes(rows) == {
        "template@mixture.ocr.template": ["default", "v1"],
        "mixture.count": ["default", "removed"],
    }
    assert rows[0].label == "default"


def test_a_cell_that_failed_is_in_its_row_without_scores() -> None:
    rows = fold([cell("seed=1"), cell("seed=2", error="no"), cell("projector=mlp2", error="no")])
    assert [row.numbers for row in rows] == [(0,), ()]


def test_the_first_row_with_scores_is_the_baseline() -> None:
    rows = fold([cell("a=1", error="no"), cell("a=2"), cell("a=3"), cell("a=4")])
    assert choose_baselines(rows, None) == {2: 1, 3: 1}
    assert choose_baselines(fold([cell(error="no")]), None) == {}


def test_the_baseline_is_chosen_by_its_words() -> None:
    rows = fold([cell(f"a={a}", f"b={b}") for a in (1, 2) for b in "xyz"])
    assert choose_baselines(rows, "a=2 b=y") == {0: 4, 1: 4, 2: 4, 3: 4, 5: 4}
    assert choose_baselines(rows, "a=2") == {0: 3, 1: 4, 2: 5}


def test_a_baseline_that_cannot_be_is_refused() -> None:
    rows = fold([cell("a=1"), cell("a=2")])
    with pytest.raises(ValueError, match=r'baseline="a=3" .* say one of: a=1; a=2'):
        choose_baselines(rows, "a=3")
    rows = fold([cell("a=1", "b=x"), cell("a=1", "b=y"), cell("a=2", "b=z")])
    with pytest.raises(ValueError, match="a=2 b=z; say more words"):
        choose_baselines(rows, "a=1")


def test_shares_are_per_cent_and_points_are_points() -> None:
    assert scale([cell(score=1.0)], "pope", "f1") == 100
    assert scale([cell(score=0.5), cell(score=1523.1)], "pope", "f1") == 1


def test_each_step_of_a_path_is_compared_with_the_one_before() -> None:
    rows = fold([cell("step=a"), Outcome(["step=b"], error="no"), cell("step=c"), cell("step=d")])
    assert choose_baselines(rows, "previous") == {2: 0, 3: 2}  # what failed is no step
