"""POPE's three ways to choose what is not there, counted by hand."""

from random import Random

import pytest

from vlm.corpus.objects.annotations import Annotated
from vlm.corpus.objects.probing import Frequencies, can_be_asked, choose_absent, draw_present

# bed: 4 pictures, cat 3, dog 2, cup 2, bus 1, tie 1
PICTURES = [
    Annotated("1", ("bed", "cat")),
    Annotated("2", ("bed", "cat", "cup")),
    Annotated("3", ("bed", "dog")),
    Annotated("4", ("dog", "tie", "cat")),
    Annotated("5", ("bed", "cup")),
    Annotated("6", ("bus",)),
]
FREQUENCIES = Frequencies.of(PICTURES)


def choose(picture: Annotated, present: list[str], sampling: str, seed: int = 1) -> list[str]:
    return choose_absent(picture, present, FREQUENCIES, sampling, Random(seed))


def test_things_are_counted_alone_and_together() -> None:
    assert FREQUENCIES.most_frequent() == ["bed", "cat", "cup", "dog", "bus", "tie"]
    assert FREQUENCIES.companions("bed") == ["cat", "cup", "dog"]
    assert FREQUENCIES.companions("dog") == ["bed", "cat", "tie"]  # once each: by name
    assert FREQUENCIES.companions("bus") == FREQUENCIES.companions("no such thing") == []


def test_the_most_popular_are_the_most_frequent_that_are_not_there() -> None:
    assert choose(PICTURES[0], ["bed", "cat"], "popular") == ["cup", "dog"]
    assert choose(PICTURES[3], ["tie", "dog", "cat"], "popular") == ["bed", "cup", "bus"]


def test_adversaries_are_most_often_where_that_thing_is() -> None:
    assert choose(PICTURES[0], ["bed", "cat"], "adversarial") == [
        "cup",
        "dog",
    ]  # cat: bed, then cup, dog, tie
    assert choose(PICTURES[0], ["cat", "bed"], "adversarial") == ["cup", "dog"]  # none is asked about twice
    assert choose(PICTURES[3], ["cat", "dog"], "adversarial")[0] == "bed"
    assert choose(PICTURES[4], ["cup", "bed"], "adversarial") == ["cat", "dog"]


def test_chance_decides_where_nothing_is_left() -> None:
    drawn = {tuple(choose(PICTURES[5], ["bus"], "adversarial", seed)) for seed in range(40)}
    assert drawn == {(name,) for name in ("bed", "cat", "cup", "dog", "tie")}  # bus has no companion


@pytest.mark.parametrize("sampling", ["random", "popular", "adversarial"])
def test_none_that_is_there_and_none_twice(sampling: str) -> None:
    for seed in range(30):
        for picture in PICTURES[:5]:
            present = draw_present(picture, 2, Random(seed))
            absent = choose(picture, present, sampling, seed)
            assert set(present) <= set(picture.objects)
            assert not set(absent) & set(picture.objects)
            assert len(set(present)) == len(set(absent)) == len(absent) == 2
            assert choose(picture, present, sampling, seed) == absent


def test_random_ones_are_any_that_are_not_there() -> None:
    drawn = {name for seed in range(60) for name in choose(PICTURES[0], ["bed", "cat"], "random", seed)}
    assert drawn == {"cup", "dog", "bus", "tie"}


def test_a_picture_needs_enough_that_is_there_and_that_is_not() -> None:
    able = [picture.image for picture in PICTURES if can_be_asked(picture, FREQUENCIES, 2)]
    assert able == ["1", "2", "3", "4", "5"]
    assert not can_be_asked(Annotated("7", ("bed", "cat", "cup", "dog", "bus")), FREQUENCIES, 2)
    assert can_be_asked(PICTURES[3], FREQUENCIES, 3)
