"""`vlm data pack`: everything, or one clear error and nothing."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.conftest import SHARED
from vlm.cli import main
from vlm.data.locate import find_shards
from vlm.data.shards import ShardSource


def record(number: int, **changes: Any) -> dict[str, Any]:
    turns = [{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": f"thing {number}"}]
    return {"id": f"a/{number}", "image": f"pictures/{number}.png", "conversations": turns} | changes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pictures").mkdir()
    for number in range(5):
        Image.new("RGB", (8 + number, 8), (40 * number, 0, 0)).save(tmp_path / f"pictures/{number}.png")
    write(tmp_path, [record(number) for number in range(5)])
    return tmp_path


def write(folder: Path, records: Any) -> None:
    (folder / "records.json").write_text(json.dumps(records))


def pack(folder: Path, *options: str) -> int:
    return main(
        ["data", "pack", f"json={folder}/records.json", f"images={folder}", f"output={folder}/out", *options]
    )


def nothing_left(folder: Path) -> bool:
    return sorted(path.name for path in folder.iterdir()) == ["pictures", "records.json"]


def test_every_record_and_picture_is_there_bit_for_bit(folder: Path) -> None:
    assert pack(folder, "name=mine", "licence=MIT", "samples_per_shard=2") == 0
    manifest = json.loads((folder / "out/manifest.json").read_text())
    assert (manifest["licence"], manifest["count"]) == ("MIT", 5)
    assert [shard["count"] for shard in manifest["shards"]] == [2, 2, 1]
    source = ShardSource("mine", find_shards("x", f"{folder}/out/mine-*.tar"))
    for number in range(5):
        sample = source[number]
        assert sample.images == ((folder / f"pictures/{number}.png").read_bytes(),)
        assert sample.turns[1].text == f"thing {number}"


def test_text_and_several_pictures_are_samples_too(folder: Path) -> None:
    words = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]
    text = {"id": "t", "conversations": words}
    many = [{"from": "human", "value": "<image>" * 12}, {"from": "gpt", "value": "many"}]
    order = [number % 5 for number in range(12)]
    several = {"id": "s", "image": [f"pictures/{number}.png" for number in order], "conversations": many}
    write(folder, [text, several])
    assert pack(folder) == 0
    source = ShardSource("mine", find_shards("x", f"{folder}/out/*.tar"))
    assert source[0].images == ()
    assert source[1].images == tuple((folder / f"pictures/{number}.png").read_bytes() for number in order)


def spoil(folder: Path, fault: str) -> None:
    """Make record 3 wrong."""
    records = [record(number) for number in range(5)]
    picture = folder / "pictures/3.png"
    if fault == "missing":
        picture.unlink()
    elif fault == "truncated":
        file = io.BytesIO()
        Image.effect_noise((64, 64), 50).save(file, "PNG")
        picture.write_bytes(file.getvalue()[:-900])
    elif fault == "text":
        picture.write_text("no picture")
    elif fault == "placeholder":
        records[3]["conversations"][0]["value"] = "no place"
    elif fault == "speaker":
        records[3]["conversations"][1]["from"] = "robot"
    elif fault == "turns":
        records[3]["conversations"] = []
    write(folder, records)


FAULTS = ["missing", "truncated", "text", "placeholder", "speaker", "turns"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_and_nothing_is_left(
    fault: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(folder, fault)
    assert pack(folder) != 0
    printed = capsys.readouterr().err.strip()
    assert printed.startswith("vlm: error: record 3 (id a/3): ")
    assert len(printed.splitlines()) == 1
    if fault in ("missing", "truncated", "text"):
        assert "pictures/3.png" in printed
    assert not (folder / "out").exists()
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("fault", FAULTS)
def test_skip_lists_the_fault_and_packs_the_rest(fault: str, folder: Path) -> None:
    spoil(folder, fault)
    assert pack(folder, "on_error=skip") == 0
    [skipped] = json.loads((folder / "out/skipped.json").read_text())
    assert (skipped["record"], skipped["id"]) == ("3", "a/3")
    assert skipped["reason"]
    manifest = json.loads((folder / "out/manifest.json").read_text())
    assert (manifest["count"], manifest["skipped"]) == (4, 1)


@pytest.mark.parametrize("records", [[], {"not": "a list"}, "text"])
def test_nothing_to_pack_is_an_error(records: Any, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, records)
    assert pack(folder) != 0
    printed = capsys.readouterr().err
    assert "json=" in printed or (not records and "no record that can be packed" in printed)
    assert nothing_left(folder)


def test_a_full_folder_is_not_written_into(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "out").mkdir()
    (folder / "out/precious").write_text("keep")
    assert pack(folder) != 0
    assert "not empty" in capsys.readouterr().err
    assert [path.name for path in (folder / "out").iterdir()] == ["precious"]


@pytest.mark.skipif(not SHARED.exists(), reason="the real pairs are not here")
def test_real_pairs_pack(tmp_path: Path) -> None:
    pairs = SHARED / "llava_pretrain_200"
    words = [f"json={pairs}/blip_laion_cc_sbu_200.json", f"images={pairs}/images", f"output={tmp_path}/lcs"]
    assert main(["data", "pack", *words]) == 0
    assert len(ShardSource("lcs", find_shards("x", f"{tmp_path}/lcs/*.tar"))) == 200
