"""The README's tree and commands are the project's."""

import re
import shlex
from pathlib import Path

import pytest

from vlm.cli import VERBS
from vlm.compose import compose_sentence
from vlm.verbs.evaluate import split_words

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def tree() -> list[str]:
    """Every path that the tree names."""
    block = README.split("## The tree")[1]
    paths, inside = [], ""
    for line in re.findall(r"^    ( *)(\S.*)$", block, re.MULTILINE):
        indent, text = line
        names = [word for word in text.split("  ")[0].split() if "/" in word or "." in word]
        paths += [(inside if indent else "") + name for name in names]
        if text.strip() == "src/vlm/":
            inside = "src/vlm/"
    return paths


@pytest.mark.parametrize("path", tree())
def test_every_path_of_the_tree_exists(path: str) -> None:
    assert (ROOT / path).exists()


def test_the_tree_leaves_no_module_out() -> None:
    named = {path.removeprefix("src/vlm/").rstrip("/") for path in tree() if path.startswith("src/vlm/")}
    modules = {
        path.name
        for path in (ROOT / "src/vlm").iterdir()
        if not path.name.startswith("_") and path.name != "conf"
    }
    assert modules - named == set()


def test_every_verb_is_in_the_table() -> None:
    named = set(re.findall(r"^\| `vlm (\w+)", README, flags=re.MULTILINE))
    assert set(VERBS) - named == set()


SENTENCES = re.findall(r"^    vlm train (?!-m)([^#\n]+)", README, flags=re.MULTILINE)


@pytest.mark.parametrize("sentence", SENTENCES)
def test_every_sentence_composes(sentence: str) -> None:
    compose_sentence(shlex.split(sentence))


QUESTIONS = re.findall(r"^    vlm evaluate ([^#\n]+)", README, flags=re.MULTILINE)


@pytest.mark.parametrize("words", QUESTIONS)
def test_every_evaluation_composes(words: str) -> None:
    own, chosen, rest = split_words(shlex.split(words))
    if own.run:
        assert chosen
    assert compose_sentence([*chosen, *rest]).config.evaluation.benchmarks


def test_no_file_is_too_long() -> None:
    long = [path for path in ROOT.glob("src/**/*.py") if len(path.read_text().splitlines()) > 300]
    assert not long
