"""Files that are not as they were released: one line that names key, file and row."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vlm.corpus.formats import find_format, format_names

FILES = [
    ("vqav2", "questions", {"questions": []}),
    ("vqav2", "annotations", {"annotations": []}),
    ("okvqa", "questions", {"questions": []}),
    ("okvqa", "annotations", {"annotations": []}),
    ("gqa", "questions", {}),
    ("aokvqa", "annotations", []),
    ("ocrvqa", "annotations", {}),
    ("textcaps", "annotations", {"data": []}),
    ("textcaps", "ocr", {"data": []}),
    ("textvqa", "annotations", {"data": []}),
    ("textvqa", "ocr", {"data": []}),
    ("vizwiz", "annotations", []),
    ("refcoco", "refs", []),
    ("refcoco", "instances", {"images": [], "annotations": []}),
    ("visual_genome", "regions", []),
    ("visual_genome", "image_data", []),
    ("scienceqa", "problems", {}),
    ("scienceqa", "splits", {"train": []}),
    ("coco_captions", "annotations", {"annotations": []}),
]
TABLES = {("gqa", "questions"), ("ocrvqa", "annotations"), ("scienceqa", "problems")}

Write = Callable[[str, Any], str]
each_file = pytest.mark.parametrize(("name", "key", "content"), FILES, ids=lambda value: str(value)[:12])


def complaint(name: str, key: str, path: str, write: Write) -> str:
    """Say what is wrong if this file is at `path` and the others are empty."""
    others = {
        other: write(f"{other}_empty.json", empty)
        for of, other, empty in FILES
        if of == name and other != key
    }
    words = [f"{option}={value}" for option, value in (others | {key: path}).items()]
    with pytest.raises(ValueError) as error:  # noqa: PT011 (the callers look at the text)
        list(find_format(name).read(words))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_every_official_format_is_here_and_what_they_share_is_none() -> None:
    names = set(format_names())
    assert {name for name, _, _ in FILES} <= names
    assert not names & {"boxes", "coco", "conversation", "ocr", "prompts", "read", "rows", "vqa"}
    assert all(f"{key}=" in find_format(name).keys for name, key, _ in FILES)


@each_file
def test_empty_files_are_no_records(name: str, key: str, content: Any, write: Write) -> None:
    words = [f"{other}={write(f'{other}.json', empty)}" for of, other, empty in FILES if of == name]
    assert list(find_format(name).read(words)) == []


@each_file
def test_a_missing_file_is_named(name: str, key: str, content: Any, write: Write, tmp_path: Path) -> None:
    assert complaint(name, key, f"{tmp_path}/none.json", write).startswith(
        f"{key}={tmp_path}/none.json cannot"
    )


@each_file
def test_a_file_that_is_no_json_is_named(
    name: str, key: str, content: Any, write: Write, tmp_path: Path
) -> None:
    (tmp_path / "wrong.json").write_text('{"questions": [')
    assert complaint(name, key, f"{tmp_path}/wrong.json", write).startswith(
        f"{key}={tmp_path}/wrong.json cann"
    )


@each_file
def test_another_structure_is_named(name: str, key: str, content: Any, write: Write, tmp_path: Path) -> None:
    path = write("other.json", "text")
    assert f"{key}={path}" in complaint(name, key, path, write)


@pytest.mark.parametrize(("name", "key", "content"), [file for file in FILES if file[1] != "splits"])
def test_a_row_that_lacks_something_is_named(name: str, key: str, content: Any, write: Write) -> None:
    under = next(iter(content), None) if isinstance(content, dict) else None
    rows: Any = {"a7": {}} if (name, key) in TABLES else [{}]
    path = write("other.json", content | {under: rows} if under else rows)
    row = "row a7" if (name, key) in TABLES else "row 0"
    assert complaint(name, key, path, write).startswith(f"{key}={path}: {row} has no ")
