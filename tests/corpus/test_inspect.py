"""`vlm data inspect`: what a person sees in a terminal, and in a real browser."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import Compose
from vlm.build import plan_model
from vlm.build_data import build_readers
from vlm.cli import main
from vlm.corpus.inspect import View, to_page, to_terminal, view

CHROMIUM = shutil.which("chromium")
LEARNED = (223, 245, 227)
"""The page's color behind what is learned."""


@pytest.fixture
def seen(compose: Compose) -> View:
    config = compose("stage.after=null")
    readers = build_readers(config, plan_model(config))
    return view(readers["conversation"], 0)


def test_pieces_spell_the_sample_and_mark_what_is_learned(seen: View) -> None:
    text = "".join(piece.text for piece in seen.pieces)
    assert text.startswith("<s>USER: [picture: 9 tokens]\n")
    learned = "".join(piece.text for piece in seen.pieces if piece.learned)
    assert learned.count("</s>") == text.count("ASSISTANT:")
    assert not seen.fault


def test_the_terminal_shows_learned_words_in_green(seen: View) -> None:
    text = to_terminal(seen)
    green = "".join(text.plain[span.start : span.end] for span in text.spans if "green" in str(span.style))
    assert green == "".join(piece.text for piece in seen.pieces if piece.learned)


def test_what_is_cut_off_and_why_is_shown(compose: Compose) -> None:
    config = compose("stage.after=null", "llm.context_length=20")
    readers = build_readers(config, plan_model(config))
    seen = view(readers["conversation"], 0)
    beyond = [piece.beyond for piece in seen.pieces]
    assert beyond == sorted(beyond)
    assert any(beyond)
    assert "cut off" in seen.counts
    assert "no answer starts within llm.context_length=20" in seen.fault
    assert seen.fault in to_page("x", [], [seen]).replace("&#x27;", "'")


def test_it_is_a_verb(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "deep" / "page.html"
    assert main(["data", "inspect", "show=1", "source=ocr", f"page={page}", *words]) == 0
    printed = capsys.readouterr().out
    assert "ocr/ocr-" in printed
    assert "count/" not in printed
    assert "ASSISTANT:" in re.sub("<[^>]+>", "", page.read_text())
    assert main(["data", "inspect", "source=nothing", *words]) != 0
    assert "source=nothing is none of the mixture's; choose one of attribute" in capsys.readouterr().err


@pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed")
def test_a_browser_shows_the_page(words: list[str], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert main(["data", "inspect", "show=2", f"page={page}", *words]) == 0
    browser = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
               "--no-first-run",
               f"--user-data-dir={tmp_path}/profile", "--window-size=1200,2400"]  # fmt: skip
    document = subprocess.run(
        [*browser, "--dump-dom", page.as_uri()], capture_output=True, text=True, timeout=120
    ).stdout
    assert len(re.findall("<section>", document)) == 12
    assert document.count("data:image/png") == 12
    subprocess.run([*browser, f"--screenshot={tmp_path}/page.png", page.as_uri()], check=True, timeout=120,
                   capture_output=True)  # fmt: skip
    shown = np.array(Image.open(tmp_path / "page.png").convert("RGB"))
    assert (shown == LEARNED).all(axis=-1).sum() > 1000
