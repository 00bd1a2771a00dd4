"""A trace survives the death of whoever writes it."""

from pathlib import Path

import pytest

from vlm.run.trace import append_line, cut_after, read_trace


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of a run that began, was resumed at step 2 and went on to step 4."""
    path = tmp_path / "run/trace.jsonl"
    for line in (
        {"step": 0, "machine": {"devices": 1}},
        {"step": 1, "loss": 0.1},
        {"step": 2, "loss": 0.2},
        {"step": 2, "machine": {"devices": 2}},
        {"step": 3, "loss": 0.3},
        {"step": 4, "loss": 1 / 3},
    ):
        append_line(path, line)
    return path


def test_numbers_are_kept_to_the_bit(path: Path) -> None:
    record = read_trace(path)
    assert record
    assert record.steps[4]["loss"] == 1 / 3
    assert [start["step"] for start in record.starts] == [0, 2]


def test_there_may_be_none(tmp_path: Path) -> None:
    assert read_trace(tmp_path / "trace.jsonl") is None
    cut_after(tmp_path / "trace.jsonl", 3)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("length", [1, 9, 22])
def test_a_torn_last_line_is_dropped(length: int, path: Path) -> None:
    text = path.read_bytes()
    path.write_bytes(text[:-length])
    record = read_trace(path)
    assert record
    # Without its line break a line is still whole.
    assert set(record.steps) == ({1, 2, 3, 4} if length == 1 else {1, 2, 3})
    cut_after(path, 4)
    append_line(path, {"step": 5, "loss": 0.5})
    assert set(read_trace(path).steps) == set(record.steps) | {5}  # type: ignore[union-attr]


def test_a_run_that_goes_on_forgets_what_it_does_again(path: Path) -> None:
    cut_after(path, 3)
    record = read_trace(path)
    assert record
    assert set(record.steps) == {1, 2, 3}
    assert [start["step"] for start in record.starts] == [0, 2]
    cut_after(path, 2)  # the start at this step came to nothing
    record = read_trace(path)
    assert record
    assert set(record.steps) == {1, 2}
    assert [start["step"] for start in record.starts] == [0]
    cut_after(path, 0)
    assert read_trace(path) == type(record)([], {})


def test_what_is_damaged_elsewhere_is_said(path: Path) -> None:
    path.write_text(path.read_text().replace('{"step": 2, "loss"', '{"step": 2 "loss"'))
    with pytest.raises(ValueError, match=r"trace.jsonl is damaged in line 3 .*; delete the file"):
        read_trace(path)
