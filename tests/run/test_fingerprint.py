"""Fingerprints and folders."""

import json
import os
import threading
import time
from pathlib import Path

import pytest

from vlm.run.fingerprint import files_hash, fingerprint
from vlm.run.folder import RunFolder, write_json


def test_the_order_of_keys_does_not_matter_and_every_value_does() -> None:
    assert fingerprint({"a": 1, "b": {"c": 2, "d": 3}}) == fingerprint({"b": {"d": 3, "c": 2}, "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})
    assert len(fingerprint({})) == 12


def test_a_folders_hash_is_of_its_files_names_and_bytes(tmp_path: Path) -> None:
    def make(name: str, **files: str) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        for file, text in files.items():
            (folder / file).write_text(text)
        return folder

    first, same = make("first", a="1", b="2"), make("same", b="2", a="1")
    assert files_hash(first) == files_hash(same)
    assert files_hash(make("renamed", a="1", c="2")) != files_hash(first)
    assert files_hash(make("changed", a="1", b="3")) != files_hash(first)


def test_a_large_files_hash_is_remembered_until_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []

    def count(path: Path) -> str:
        read.append(path)
        return path.read_text()

    monkeypatch.setattr(f"{files_hash.__module__}._file_hash", count)
    monkeypatch.setattr(f"{files_hash.__module__}.LARGE", 1)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = tmp_path / "model.safetensors"
    for text, reads in (("one", 1), ("two", 2)):
        file.write_text(text)
        os.utime(file, ns=(0, reads))
        for _ in range(2):
            files_hash.cache_clear()
            assert files_hash(file) == text
        assert len(read) == reads
    (tmp_path / "nobody").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "nobody"))
    files_hash.cache_clear()
    assert files_hash(file) == "two"


def test_a_run_is_finished_when_its_manifest_is_written(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "align-0123")
    assert not folder.is_finished
    folder.path.mkdir()
    assert not folder.is_finished
    folder.finish({"steps": 3})
    assert folder.is_finished
    assert folder.read_manifest() == {"steps": 3}


def test_a_file_is_never_half_written(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"whole": True})
    with pytest.raises(TypeError):
        write_json(tmp_path / "x.json", {"whole": object()})
    assert json.loads((tmp_path / "x.json").read_text()) == {"whole": True}


def test_a_run_has_one_trainer_at_a_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    order = []

    def second() -> None:
        with RunFolder(tmp_path / "align-0123").lock():
            order.append("second")

    waiting = threading.Thread(target=second)
    with RunFolder(tmp_path / "align-0123").lock():
        waiting.start()
        while "waiting for it" not in capsys.readouterr().out:
            time.sleep(0.01)
        order.append("first")
    waiting.join(timeout=10)
    assert order == ["first", "second"]
