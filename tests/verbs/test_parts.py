"""`vlm parts` lists every choice, and says what it costs."""

import pytest

from vlm.cli import main
from vlm.paths import config_dir


def lines(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, list[str]]:
    assert main(["parts", *words]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    return {row[0]: row[1:] for row in rows}


@pytest.mark.slow
def test_every_choice_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    listed = lines(capsys)
    groups = ("encoder", "projector", "llm", "adapter")
    assert set(listed) == {path.stem for group in groups for path in (config_dir() / group).glob("*.yaml")}
    # LLaVA-1.5-7B's numbers, published; 14 low-rank pairs of 128 in each of Vicuna's 32 blocks.
    assert listed["mlp2"][:2] == ["20,979,712", "576"]
    assert listed["linear"][:2] == ["4,198,400", "576"]
    assert listed["vicuna7b"][0] == "6,738,415,616"
    assert listed["lora128"][0] == f"{128 * 32 * (4 * 8192 + 3 * (4096 + 11008)):,}"
    assert listed["resampler64"][1] == "64"
    assert listed["clip336"][1] == "576"
    assert "projector=identity needs features" in " ".join(listed["identity"])


def test_words_change_what_parts_are_joined_to(capsys: pytest.CaptureFixture[str]) -> None:
    listed = lines(capsys, "projector", "encoder=clip224", "llm=vicuna13b")
    assert listed["linear"][:2] == ["5,248,000", "256"]
    assert "vicuna7b" not in listed


def test_an_unknown_group_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["parts", "stage"]) != 0
    assert "'stage' is no group of parts; choose some of encoder" in capsys.readouterr().err
