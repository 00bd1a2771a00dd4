"""Noun phrases of captions as they stand in CC3M and LCS."""

import pytest

from vlm.corpus.phrases import find_extractor, noun_phrases


@pytest.mark.parametrize(
    ("caption", "phrases"),
    [
        (
            "A black and white cat sitting on two wooden chairs.",
            ["black and white cat", "two wooden chairs"],
        ),
        ("the cat and the dog and the cat", ["cat", "dog"]),
        ("tennis player in a red shirt near the net", ["tennis player", "red shirt", "net"]),
        ("actor attends the premiere in Paris", ["actor", "premiere", "paris"]),
        ("running quickly", []),
        ("", []),
    ],
)
def test_phrases_are_nouns_with_what_stands_before_them(caption: str, phrases: list[str]) -> None:
    assert noun_phrases(caption) == phrases


def test_a_function_is_found_by_its_name() -> None:
    assert find_extractor("shlex.split")("a b") == ["a", "b"]


@pytest.mark.parametrize("name", ["no.such.function", "vlm.corpus.phrases", "x"])
def test_what_is_no_function_is_named(name: str) -> None:
    with pytest.raises(ValueError, match=f"phrases={name} is no function that can be imported"):
        find_extractor(name)
