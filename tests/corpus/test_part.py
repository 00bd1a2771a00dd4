"""Shares packed side by side make the set that one process makes; a killed one goes on where it was."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from PIL import Image

from vlm.cli import main
from vlm.corpus.part import Journal, Part
from vlm.data.locate import find_shards
from vlm.data.shards import ShardSource


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    records = []
    for number in range(25):
        Image.new("RGB", (8, 8), (9 * number, 0, 0)).save(tmp_path / f"{number}.png")
        turns = [{"from": "human", "value": "<image>"}, {"from": "gpt", "value": f"thing {number}"}]
        records.append({"id": str(number), "image": f"{number}.png", "conversations": turns})
    (tmp_path / "11.png").write_text("no picture")
    (tmp_path / "records.json").write_text(json.dumps(records))
    return tmp_path


def words(folder: Path, output: str, *more: str) -> list[str]:
    return ["data", "pack", f"json={folder}/records.json", f"images={folder}", f"output={folder}/{output}",
            "samples_per_shard=4", "on_error=skip", *more]  # fmt: skip


def answers(folder: Path) -> list[str]:
    source = ShardSource("x", find_shards("x", f"{folder}/*.tar"))
    return sorted(source[number].turns[1].text for number in range(len(source)))


def test_shares_make_the_whole_set_and_close_it(folder: Path) -> None:
    assert main(words(folder, "whole")) == 0
    for number in (3, 1, 2):
        assert not (folder / "shared/manifest.json").exists()
        assert main(words(folder, "shared", f"part={number}/3")) == 0
    assert answers(folder / "shared") == answers(folder / "whole")
    whole, shared = (
        json.loads((folder / name / "manifest.json").read_text()) for name in ("whole", "shared")
    )
    assert shared["count"] == whole["count"] == 24
    assert shared["skipped"] == 1
    names = [shard["name"] for shard in shared["shards"]]
    assert sorted(names) == sorted(path.name for path in (folder / "shared").glob("*.tar"))
    for name in ("whole", "shared"):
        assert json.loads((folder / name / "skipped.json").read_text())[0]["record"] == "11"
        others = {path.name for path in (folder / name).iterdir() if path.suffix != ".tar"}
        assert others >= {"manifest.json", "skipped.json"}
        assert not [other for other in others if other.startswith("part-")]
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_a_share_that_is_done_is_not_packed_again(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(folder, "out", "part=1/2")) == 0
    for number in range(0, 25, 2):
        (folder / f"{number}.png").unlink()
    assert main(words(folder, "out", "part=1/2")) == 0
    assert main(words(folder, "out", "part=2/2")) == 0
    assert len(answers(folder / "out")) == 24
    assert main(words(folder, "out", "part=2/2")) != 0
    assert "is not empty; choose another folder" in capsys.readouterr().err


def test_shares_may_be_more_than_records(folder: Path) -> None:
    records = json.loads((folder / "records.json").read_text())[:2]
    (folder / "records.json").write_text(json.dumps(records))
    for number in (1, 2, 3):
        assert main(words(folder, "out", f"part={number}/3")) == 0
    assert len(answers(folder / "out")) == 2


def test_another_number_of_shares_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(folder, "out", "part=1/2")) == 0
    assert main(words(folder, "out", "part=2/3")) != 0
    assert "part=2/3: " in (error := capsys.readouterr().err)
    assert "was begun in another number of shares (1-of-2); go on with that, or delete" in error


def change_records(folder: Path) -> None:
    records = json.loads((folder / "records.json").read_text())
    records[0]["conversations"][1]["value"] = "another thing"
    (folder / "records.json").write_text(json.dumps(records))


def test_shares_of_different_records_make_no_set(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(folder, "out", "part=1/2")) == 0
    change_records(folder)
    assert main(words(folder, "out", "part=2/2")) != 0
    assert "its shares were packed from different records; delete it and" in capsys.readouterr().err
    assert not (folder / "out/manifest.json").exists()


def test_a_killed_process_goes_on_where_it_was(folder: Path) -> None:
    """It is killed in its fourth shard: three are kept, and their pictures are not read again."""
    assert main(words(folder, "whole")) == 0
    pack_until_killed(folder)
    for number in range(10):
        (folder / f"{number}.png").unlink()
    assert main(words(folder, "halved")) == 0
    for path in sorted((folder / "whole").iterdir()):
        assert path.read_bytes() == (folder / "halved" / path.name).read_bytes(), path.name


def test_packing_does_not_go_on_with_other_records(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pack_until_killed(folder)
    change_records(folder)
    assert main(words(folder, "halved")) != 0
    assert "the records are not those that packing began with" in capsys.readouterr().err
    assert main(words(folder, "halved")) == 0
    assert "another thing" in answers(folder / "halved")


def pack_until_killed(folder: Path) -> None:
    script = f"""
        import os, signal
        from vlm.corpus import pack
        read = pack.read_image
        def reading(path):
            if path.name == "14.png":
                os.kill(os.getpid(), signal.SIGKILL)
            return read(path)
        pack.read_image = reading
        from vlm.cli import main
        main({words(folder, "halved")!r})
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], env={**os.environ})
    assert killed.returncode == -signal.SIGKILL
    assert not (folder / "halved").exists()


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "a/b", "1/0"])
def test_what_is_no_share_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=f"part must be i/n .* got {text}"):
        Part.parse(text)


@pytest.mark.slow
def test_launchers_spread_the_shares(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert main(words(folder, "whole")) == 0
    joblib = ["-m", "part=all/3", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    assert main(words(folder, "shared", *joblib)) == 0
    assert answers(folder / "shared") == answers(folder / "whole")
    assert not list(folder.glob(".*"))
    assert main(words(folder, "shared", "-m", "part=1/2,2/2")) != 0  # each share fails: the set is there
    assert list(folder.glob(".vlm-shares-*"))


def test_submitit_spreads_the_shares(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On this machine, by the launcher that speaks to Slurm elsewhere."""
    monkeypatch.chdir(folder)
    submitit = ["-m", "part=all/2", "hydra/launcher=submitit_local", "hydra.launcher.timeout_min=5"]
    assert main(words(folder, "shared", *submitit)) == 0
    assert len(answers(folder / "shared")) == 24


def test_a_spread_needs_its_shares(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(folder, "out", "-m")) != 0
    assert "-m spreads shares; say which, as in part=all/8" in capsys.readouterr().err


def test_a_journal_goes_on_after_its_last_whole_row(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path, {"kind": 1})
    for row in ([1, "one"], [2, "two"]):
        journal.append(row)
    journal.close()
    path.write_text(path.read_text() + '[3, "thr')
    assert Journal(path, {"kind": 1}).rows == [[1, "one"], [2, "two"]]
    assert Journal(path, {"kind": 1}).rows == [[1, "one"], [2, "two"]]
    assert Journal(path, {"kind": 2}).rows == []
