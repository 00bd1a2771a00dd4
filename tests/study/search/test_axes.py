"""Axes as Hydra writes them become Optuna's."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from vlm.study.search.axes import corners, read_axes


def read(*words: str) -> tuple[list[str], dict[str, BaseDistribution]]:
    return read_axes(OverridesParser.create().parse_overrides(list(words)))


@pytest.mark.parametrize(
    ("word", "axis"),
    [
        ("k=a,b", CategoricalDistribution(["a", "b"])),
        ("k=choice(1,true,'x y')", CategoricalDistribution(["1", "True", r"x\ y"])),
        ("k=interval(0,1)", FloatDistribution(0.0, 1.0)),
        ("k=tag(log,interval(1e-4,1e-2))", FloatDistribution(1e-4, 1e-2, log=True)),
        ("k=int(interval(1,8))", IntDistribution(1, 8)),
        ("k=tag(log,int(interval(1,8)))", IntDistribution(1, 8, log=True)),
        ("k=range(1,9,2)", IntDistribution(1, 7, step=2)),
        ("k=range(9,1,-4)", IntDistribution(5, 9, step=4)),
        ("k=range(0.5,2,0.5)", FloatDistribution(0.5, 1.5, step=0.5)),
    ],
)
def test_every_kind_is_read(word: str, axis: BaseDistribution) -> None:
    assert read(word) == ([], {"k": axis})


def test_the_last_word_of_a_key_counts_and_others_are_fixed() -> None:
    fixed, axes = read("a=1,2", "+b=3", "a=5", "c=1,2", "~d")
    assert fixed == ["a=5", "+b=3", "~d"]
    assert list(axes) == ["c"]


@pytest.mark.parametrize(
    "word", ["k=tag(log,range(1,9))", "k=tag(odd,interval(1,9))", "k=tag(log,choice(1,2))"]
)
def test_a_tag_that_means_nothing_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="the only tag is log"):
        read(word)


def test_corners_meet_every_choice_and_both_ends() -> None:
    _, axes = read("a=x,y,z", "b=interval(0,1)")
    assert corners(axes) == [{"a": "x", "b": 0.0}, {"a": "y", "b": 1.0}, {"a": "z", "b": 1.0}]
