"""NLVR: sentences, six orders of each drawing, and consistency as its authors' script counts it."""

import json
from pathlib import Path

import pytest

from tests.benchmark.contract import check_contract, metrics_of
from vlm.benchmark.nlvr import NLVR


def write_nlvr(folder: Path, within: str = "") -> Path:
    """Sentence 72 with two drawings, sentence 9 with one."""
    test = folder / within / "test"
    examples = [("72-0", "true", 5), ("72-3", "false", 5), ("9-1", "true", "0")]
    lines = []
    for identifier, label, directory in examples:
        (test / f"images/{directory}").mkdir(parents=True, exist_ok=True)
        for order in range(6):
            name = f"test-{identifier}-{order}.png"
            (test / f"images/{directory}/{name}").write_bytes(name.encode())
        sentence = f"There is a tower, {identifier.split('-')[0]}."
        record = {"identifier": identifier, "sentence": sentence, "label": label, "directory": directory}
        lines.append(json.dumps(record | {"structured_rep": [], "evals": {"r0": "true"}}))
    (test / "test.json").write_text("\n".join(lines) + "\n")
    return folder


def make(folder: Path) -> NLVR:
    return NLVR(str(folder), 1024, "test")


def test_it_keeps_the_contract(tmp_path: Path) -> None:
    check_contract(make, write_nlvr(tmp_path), best=1.0)


def test_every_order_of_a_drawing_is_a_question(tmp_path: Path) -> None:
    questions = make(write_nlvr(tmp_path)).questions()
    assert len(questions) == 18
    assert [question.key for question in questions[5:7]] == ["test-72-0-5", "test-72-3-0"]
    assert questions[6].pictures[0].read() == b"test-72-3-0.png"
    assert (questions[6].answer, questions[6].group, questions[6].cluster) == ("no", "72", "72")
    assert questions[6].text == (
        "<image>\nIs the following statement about the image true? There is a tower, 72.\n"
        "Answer the question using a single word or phrase."
    )


def test_a_sentence_is_consistent_if_all_of_its_drawings_are_right(tmp_path: Path) -> None:
    benchmark = make(write_nlvr(tmp_path))
    right = {question.key: benchmark.right_answer(question) for question in benchmark.questions()}
    assert metrics_of(benchmark, right) == {"accuracy": 1.0, "consistency": 1.0}
    found = metrics_of(benchmark, right | {"test-72-3-4": "Yes"})
    assert found == pytest.approx({"accuracy": 17 / 18, "consistency": 1 / 2})
    found = metrics_of(benchmark, right | {"test-72-3-4": "Yes", "test-9-1-0": "who knows"})
    assert found == pytest.approx({"accuracy": 16 / 18, "consistency": 0.0})


def test_intervals_draw_sentences(tmp_path: Path) -> None:
    benchmark = make(write_nlvr(tmp_path))
    questions = benchmark.questions()
    tally = benchmark.tally(questions, benchmark.mark_all(questions, ["Yes"] * len(questions)))
    assert sorted(tally.clusters) == ["72", "9"]
    assert (tally.sums()["count/"][0], tally.sums()["groups/"][0]) == (18, 2)


def test_the_upload_is_the_official_csv(tmp_path: Path) -> None:
    benchmark = make(write_nlvr(tmp_path))
    path = benchmark.write_upload(benchmark.questions()[4:7], ["Yes", "I do not know", "hm"], tmp_path)
    assert path.read_text() == "test-72-0-4.png,true\ntest-72-0-5.png,false\ntest-72-3-0.png,\n"


def test_labels_may_be_withheld(tmp_path: Path) -> None:
    file = write_nlvr(tmp_path) / "test/test.json"
    file.write_text(file.read_text().replace('"label": "true", ', ""))
    assert [question.answer for question in make(tmp_path).questions()[::6]] == [None, "no", None]


def test_an_example_without_a_directory_is_named(tmp_path: Path) -> None:
    file = write_nlvr(tmp_path) / "test/test.json"
    file.write_text(file.read_text().replace("directory", "dir"))
    with pytest.raises(ValueError, match=r"test\.json: example 1 has no directory; get it again"):
        make(tmp_path).questions()
