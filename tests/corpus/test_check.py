"""`vlm data check` finds each fault by its kind, and fails only for what must be mended."""

import io
import json
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from tests.conftest import SHARED
from vlm.cli import main
from vlm.corpus.write import Record, write_shards


def picture(seed: int, size: tuple[int, int] = (64, 64)) -> bytes:
    image = Image.new("RGB", size, (seed * 40 % 255, 90, 200 - seed * 13 % 200))
    draw = ImageDraw.Draw(image)
    for stripe in range(0, size[0], 5 + seed):
        draw.line(
            (stripe, 0, size[0] - stripe * seed % size[0], size[1]), fill=(255, seed * 31 % 255, 0), width=3
        )
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def sample(key: str, image: bytes | None, question: str = "<image>", answer: str = "thing") -> Record:
    turns = [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]
    return Record(key, {"conversations": turns}, {"png": image} if image else {})


def check(tmp_path: Path, *records: Record, more: tuple[str, ...] = ()) -> tuple[int, dict[str, Any]]:
    folder = tmp_path / "shards"
    folder.mkdir()
    list(write_shards(records, folder, "x", 3))
    status = main(
        ["data", "check", f"shards={folder}/*.tar", f"report={tmp_path}/report.json", "workers=2", *more]
    )
    return status, json.loads((tmp_path / "report.json").read_text())


def test_every_fault_and_remark_is_counted_by_its_kind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "benchmark").mkdir()
    asked = Image.open(io.BytesIO(picture(5)))
    asked.resize((128, 128)).save(tmp_path / "benchmark/q.jpg")
    records = [
        sample("good", picture(1)),
        sample("text", None, "Hi"),
        sample("again", picture(1)),
        sample("thin", picture(2, (200, 12))),
        sample("cut", picture(3)[:-60]),
        sample("unplaced", picture(4), "no place"),
        sample("silent", picture(6), answer=" "),
        sample("leaked", picture(5)),  # smaller, and of another format
        Record("wrong", {"conversations": [{"from": "gpt", "value": "x"}]}, {}),
        sample("good", picture(7)),
    ]
    status, report = check(tmp_path, *records, more=(f"against={tmp_path}/benchmark",))
    assert status == 1
    assert not report["sound"]
    assert report["counts"] == {
        "record": 1, "placeholder": 1, "picture": 1, "key": 1, "overlap": 1, "small": 1, "long": 1,
        "empty": 1, "duplicate": 1,
    }  # fmt: skip
    assert report["examples"]["overlap"] == ["x-000002.tar/leaked"]
    assert report["examples"]["duplicate"] == ["x-000000.tar/again"]
    assert report["examples"]["key"] == ["good"]
    printed = capsys.readouterr().out
    assert "10 samples, 8 pictures" in printed
    assert "picture" in printed
    assert "not sound" in printed


def test_remarks_alone_are_sound(tmp_path: Path) -> None:
    status, report = check(
        tmp_path, sample("a", picture(1)), sample("b", picture(1)), sample("c", picture(2))
    )
    assert status == 0
    assert report["sound"]
    assert report["counts"]["duplicate"] == 1


def test_limits_are_the_users(tmp_path: Path) -> None:
    status, report = check(tmp_path, sample("a", picture(1)), more=("min_side=65",))
    assert (status, report["counts"]["small"]) == (0, 1)


def test_shares_join_in_the_report_of_the_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also what only two shares together show: a key and a picture that both have."""
    records = [sample(str(number), picture(number)) for number in range(7)]
    _, whole = check(tmp_path, *records, sample("0", picture(1)), more=("min_side=65",))
    words = [
        "data",
        "check",
        f"shards={tmp_path}/shards/*.tar",
        f"report={tmp_path}/joined.json",
        "min_side=65",
    ]
    assert main([*words, "part=2/2"]) == 0
    assert not (tmp_path / "joined.json").exists()
    assert "the last share writes" in capsys.readouterr().out
    assert main([*words, "part=1/2"]) == 1
    assert json.loads((tmp_path / "joined.json").read_text()) == whole
    assert whole["counts"]["key"] == whole["counts"]["duplicate"] == 1
    assert not list(tmp_path.glob(".*"))


def test_shares_need_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check(tmp_path, sample("a", picture(1)))
    assert main(["data", "check", f"shards={tmp_path}/shards/*.tar", "part=1/2"]) == 2
    assert "part= needs report=FILE, in which the shares are joined" in capsys.readouterr().err


def test_a_killed_check_does_not_look_twice(tmp_path: Path) -> None:
    """It is killed at its second shard; the first is gone when it goes on, and known."""
    folder = tmp_path / "shards"
    folder.mkdir()
    list(write_shards([sample(str(number), picture(number)) for number in range(6)], folder, "x", 3))
    words = ["data", "check", f"shards={folder}/*.tar", f"report={tmp_path}/report.json", "workers=1"]
    script = f"""
        import os, signal
        from vlm.corpus import part
        append = part.Journal.append
        def appending(journal, row):
            append(journal, row)
            os.kill(os.getpid(), signal.SIGKILL)
        part.Journal.append = appending
        from vlm.cli import main
        main({words!r})
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(script)])
    assert killed.returncode == -signal.SIGKILL
    first = folder / "x-000000.tar"
    first.write_bytes(bytes(first.stat().st_size))
    assert main(words) == 0
    assert json.loads((tmp_path / "report.json").read_text())["samples"] == 6


def test_a_folder_without_pictures_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check(tmp_path, sample("a", picture(1)))
    assert main(["data", "check", f"shards={tmp_path}/shards/*.tar", f"against={tmp_path}/shards"]) == 2
    assert "holds no picture; name a folder that does" in capsys.readouterr().err


@pytest.mark.skipif(not SHARED.exists(), reason="the real pairs are not here")
def test_real_pairs_are_sound_and_a_leaked_photo_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = SHARED / "llava_pretrain_200"
    words = [f"json={pairs}/blip_laion_cc_sbu_200.json", f"images={pairs}/images", f"output={tmp_path}/lcs"]
    assert main(["data", "pack", *words]) == 0
    shards = f"shards={tmp_path}/lcs/*.tar"
    assert main(["data", "check", shards, f"against={SHARED}/coco128/val2017"]) == 0
    leaked = next((pairs / "images").rglob("*.jpg"))
    (tmp_path / "benchmark").mkdir()
    image = Image.open(leaked).convert("RGB")
    image.resize((image.width * 2, image.height * 2)).save(tmp_path / "benchmark/x.png")
    assert main(["data", "check", shards, f"against={tmp_path}/benchmark"]) == 1
    assert "overlap" in capsys.readouterr().out
