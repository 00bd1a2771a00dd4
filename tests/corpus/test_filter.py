"""`vlm data filter`: the same choice by one process, by shares, and after a kill."""

import json
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SHARED
from vlm.cli import main


def record(number: int, caption: str) -> dict[str, Any]:
    turns = [{"from": "human", "value": "<image>"}, {"from": "gpt", "value": caption}]
    return {"id": str(number), "image": f"{number}.jpg", "conversations": turns}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    captions = [f"a dog beside the number {number}" for number in range(30)]
    captions += ["a grey heron"] * 4 + ["a lonely emu"] * 2
    records = [record(number, caption) for number, caption in enumerate(captions)]
    (tmp_path / "records.json").write_text(json.dumps(records))
    return tmp_path


def words(folder: Path, output: str, *more: str) -> list[str]:
    return ["data", "filter", f"json={folder}/records.json", f"output={folder}/{output}", "max_captions=10",
            "workers=1", *more]  # fmt: skip


def test_records_are_kept_as_they_are(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(folder, "kept.json")) == 0
    records, kept = (json.loads((folder / name).read_text()) for name in ("records.json", "kept.json"))
    assert [record for record in records if record in kept] == kept
    said = [record["conversations"][1]["value"] for record in kept]
    assert said.count("a grey heron") == 4
    assert said.count("a lonely emu") == 0
    assert 10 <= sum("dog" in caption for caption in said) <= 20  # ten by the dog, ten by the number
    assert f"{len(kept)} of 36 records kept" in capsys.readouterr().out


def test_shares_keep_what_one_process_keeps(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(folder, "kept.json")) == 0
    for number in (2, 3, 1):
        assert not (folder / "joined.json").exists()
        assert main(words(folder, "joined.json", f"part={number}/3")) == 0
    assert (folder / "joined.json").read_bytes() == (folder / "kept.json").read_bytes()
    assert not list(folder.glob(".*"))


def test_shares_of_different_records_are_not_joined(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(folder, "kept.json", "part=1/2")) == 0
    records = json.loads((folder / "records.json").read_text())
    (folder / "records.json").write_text(json.dumps(records[::-1]))
    assert main(words(folder, "kept.json", "part=2/2")) != 0
    assert "its shares were filtered from different records or by" in capsys.readouterr().err


def test_a_choice_of_nothing_keeps_what_was_found_for_another_try(folder: Path) -> None:
    assert main(words(folder, "kept.json", "min_count=100")) == 2
    # By other phrases than those that were found before.
    assert main(words(folder, "kept.json", "phrases=shlex.split")) == 0
    by_words = (folder / "kept.json").read_text()
    assert main(words(folder, "again.json", "min_count=100")) == 2
    assert main(words(folder, "again.json")) == 0
    assert main(words(folder, "whole.json")) == 0
    assert (folder / "again.json").read_text() == (folder / "whole.json").read_text() != by_words


def test_a_killed_process_does_not_look_twice(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first process finds phrases with one function; the second has them, and need not ask."""
    (folder / "slow.py").write_text(
        "import os\n"
        "def split(text):\n"
        "    open(os.environ['ASKED'], 'a').write(text + '\\n')\n"
        "    return text.split()\n"
    )
    asked = folder / "asked.txt"
    monkeypatch.setenv("ASKED", str(asked))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.syspath_prepend(folder)
    command = words(folder, "kept.json", "phrases=slow.split")
    script = f"""
        import os, signal
        from vlm.corpus import part
        append, count = part.Journal.append, []
        def appending(journal, row):
            append(journal, row)
            count.append(row)
            if len(count) == 20:
                os.kill(os.getpid(), signal.SIGKILL)
        part.Journal.append = appending
        from vlm.cli import main
        main({command!r})
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(script)])
    assert killed.returncode == -signal.SIGKILL
    asked.write_text("")
    assert main(command) == 0
    assert len(asked.read_text().splitlines()) == 12  # of 32 different captions
    assert json.loads((folder / "kept.json").read_text())


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["min_count=100"], "no phrase is in min_count=100 captions; lower it"),
        (["max_captions=0"], "max_captions must be at least 1"),
        (["phrases=no.such"], "phrases=no.such is no function that can be imported"),
        (["output=records.json"], "records.json is there already; choose another file"),
        (["colour=red"], "'colour=red' is no option"),
    ],
)
def test_mistakes_are_one_line(
    folder: Path,
    more: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(folder)
    assert main(words(folder, "kept.json", *more)) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (folder / "kept.json").exists()


@pytest.mark.skipif(not SHARED.exists(), reason="the real pairs are not here")
def test_real_pairs_are_filtered(tmp_path: Path) -> None:
    pairs = SHARED / "llava_pretrain_200/blip_laion_cc_sbu_200.json"
    output = tmp_path / "kept.json"
    assert main(["data", "filter", f"json={pairs}", f"output={output}", "max_captions=5"]) == 0
    kept = json.loads(output.read_text())
    assert 20 < len(kept) < 60  # few phrases are in three of 200 captions
