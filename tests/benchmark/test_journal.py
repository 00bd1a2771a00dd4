"""What was answered is known whatever happened in between."""

from pathlib import Path

from vlm.benchmark.journal import Journal


def test_answers_come_back_from_all_devices_files(tmp_path: Path) -> None:
    with Journal(tmp_path, "seen") as journal:
        journal.write({"1": "a\nb", "2": "line\u2028separated"})
    (tmp_path / "seen-1.jsonl").write_text('{"key": "3", "answer": "c"}\n')
    (tmp_path / "blind-0.jsonl").write_text('{"key": "1", "answer": "other pass"}\n')
    assert Journal(tmp_path, "seen").read() == {"1": "a\nb", "2": "line\u2028separated", "3": "c"}


def test_a_torn_line_is_left_out_and_mended(tmp_path: Path) -> None:
    path = tmp_path / "seen-0.jsonl"
    path.write_text('{"key": "1", "answer": "a"}\n{"key": "2", "ans')
    assert Journal(tmp_path, "seen").read() == {"1": "a"}
    with Journal(tmp_path, "seen") as journal:
        journal.write([("2", "b")])
    assert path.read_text() == '{"key": "1", "answer": "a"}\n{"key": "2", "answer": "b"}\n'


def test_nothing_is_known_of_a_new_pass(tmp_path: Path) -> None:
    assert Journal(tmp_path / "none", "seen").read() == {}
