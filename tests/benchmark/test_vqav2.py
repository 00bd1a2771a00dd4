"""VQAv2: questions of both splits, the upload, and the server's rule for the public split."""

import json
from pathlib import Path

import pytest

from tests.benchmark.contract import check_contract, metrics_of
from vlm.benchmark.vqav2 import VQAv2TestDev, VQAv2Val

SHORT = "Answer the question using a single word or phrase."


def write_val(folder: Path) -> Path:
    """A yes, and a number that people disagree about."""
    (folder / "val2014").mkdir(parents=True)
    (folder / "val2014/COCO_val2014_000000000042.jpg").write_bytes(b"picture")
    asked = [
        {"image_id": 42, "question": "Is it red?", "question_id": 42000},
        {"image_id": 42, "question": "How many?", "question_id": 42001},
    ]
    people = [["yes"] * 10, ["two"] * 5 + ["2"] * 3 + ["3"] * 2]
    answered = [
        {
            "question_id": record["question_id"],
            "image_id": 42,
            "question_type": "is it",
            "answer_type": kind,
            "multiple_choice_answer": said[0],
            "answers": [
                {"answer": answer, "answer_confidence": "yes", "answer_id": number}
                for number, answer in enumerate(said, 1)
            ],
        }
        for record, said, kind in zip(asked, people, ("yes/no", "number"), strict=True)
    ]
    names = ("v2_OpenEnded_mscoco_val2014_questions.json", "v2_mscoco_val2014_annotations.json")
    (folder / names[0]).write_text(json.dumps({"questions": asked}))
    (folder / names[1]).write_text(json.dumps({"annotations": answered[::-1]}))
    return folder


def write_test(folder: Path) -> Path:
    """Two questions of test-dev, and three of the whole test."""
    lines = [
        {"question_id": number, "image": "COCO_test2015_000000000007.jpg", "text": f"{text}\n{SHORT}"}
        for number, text in ((7001, "What?"), (7000, "Who?"), (7002, "When?"))
    ]
    (folder / "llava_vqav2_mscoco_test-dev2015.jsonl").write_text("\n".join(map(json.dumps, lines[:2])))
    whole = sorted(lines, key=lambda line: str(line["question_id"]))
    (folder / "llava_vqav2_mscoco_test2015.jsonl").write_text("\n".join(map(json.dumps, whole)))
    (folder / "test2015").mkdir()
    (folder / "test2015/COCO_test2015_000000000007.jpg").write_bytes(b"picture")
    return folder


def make(folder: Path) -> VQAv2Val:
    return VQAv2Val(str(folder), 128)


def test_it_keeps_the_contract(tmp_path: Path) -> None:
    check_contract(make, write_val(tmp_path), best=1.0)


def test_the_public_split_is_asked_as_llava_asks(tmp_path: Path) -> None:
    question = make(write_val(tmp_path)).questions()[1]
    assert question.text == f"<image>\nHow many?\n{SHORT}"
    assert (question.key, question.kind) == ("42001", "number")
    assert question.pictures[0].name == "COCO_val2014_000000000042.jpg"


@pytest.mark.parametrize(
    ("said", "worth"), [("Two.", 1.0), ("2", 1.0), ("three", 0.6), ("4", 0.0), ("", 0.0), ("the 3", 0.6)]
)
def test_numbers_are_one_where_people_disagree(said: str, worth: float, tmp_path: Path) -> None:
    benchmark = make(write_val(tmp_path))
    mark = benchmark.mark(benchmark.questions()[1], said)
    assert mark.score == pytest.approx(worth)
    assert (mark.parsed is None) == (said == "")


def test_accuracy_is_by_type_of_answer(tmp_path: Path) -> None:
    found = metrics_of(make(write_val(tmp_path)), {"42000": "YES.", "42001": "3"})
    expected = {"accuracy": 0.8, "accuracy/yes/no": 1.0, "accuracy/number": 0.6}
    assert found == pytest.approx(expected)


def test_a_question_without_answers_is_named(tmp_path: Path) -> None:
    path = write_val(tmp_path) / "v2_mscoco_val2014_annotations.json"
    path.write_text(path.read_text().replace('"question_id": 42001', '"question_id": 1'))
    with pytest.raises(ValueError, match="no answers to question 42001"):
        make(tmp_path).questions()


def test_test_dev_withholds_answers_and_uploads_the_whole_test(tmp_path: Path) -> None:
    benchmark = VQAv2TestDev(str(write_test(tmp_path)), 128)
    questions = benchmark.questions()
    assert [question.key for question in questions] == ["7001", "7000"]
    assert questions[0].text == f"<image>\nWhat?\n{SHORT}"
    assert questions[0].answer is None
    assert questions[0].pictures[0].read() == b"picture"
    path = benchmark.write_upload(questions, ["The red, dog.", "Two"], tmp_path / "upload")
    assert json.loads(path.read_text()) == [
        {"question_id": 7000, "answer": "2"},
        {"question_id": 7001, "answer": "red dog"},
        {"question_id": 7002, "answer": ""},
    ]


@pytest.mark.parametrize("name", ["test-dev2015", "test2015"])
def test_a_missing_list_is_named(name: str, tmp_path: Path) -> None:
    (write_test(tmp_path) / f"llava_vqav2_mscoco_{name}.jsonl").unlink()
    with pytest.raises(ValueError, match=f"{name}.jsonl; get it from"):
        VQAv2TestDev(str(tmp_path), 128).questions()


def test_the_public_split_has_an_upload_for_vqas_tool(tmp_path: Path) -> None:
    benchmark = make(write_val(tmp_path))
    path = benchmark.write_upload(benchmark.questions()[1:], ["A dog"], tmp_path)
    assert json.loads(path.read_text()) == [
        {"question_id": 42000, "answer": ""},
        {"question_id": 42001, "answer": "dog"},
    ]
