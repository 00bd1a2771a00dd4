"""POPE: LLaVA's questions, POPE's labels and rule; its published scores from its published answers."""

import json
from pathlib import Path

import pytest

from tests.benchmark.contract import check_contract, metrics_of
from tests.conftest import SHARED
from vlm.benchmark.pope import POPE, SPLITS
from vlm.benchmark.question import Question

PUBLISHED = {"f1/random": 0.8714, "f1/popular": 0.8625, "f1/adversarial": 0.8446, "f1": 0.859}


def write_pope(folder: Path) -> Path:
    """One picture, a yes and a no in each split; numbers restart in each of POPE's files."""
    (folder / "coco").mkdir(parents=True)
    (folder / "val2014").mkdir()
    (folder / "val2014/one.jpg").write_bytes(b"one")
    asked = []
    for split in SPLITS:
        lines = [
            {"question_id": 1, "image": "one.jpg", "text": "Is there a cat in the image?", "label": "yes"},
            {
                "question_id": 2,
                "image": "one.jpg",
                "text": f"Is there a {split} in the image?",
                "label": "no",
            },
        ]
        (folder / f"coco/coco_pope_{split}.json").write_text("\n".join(map(json.dumps, lines)))
        for line in lines:
            text = f"{line['text']}\nAnswer the question using a single word or phrase."
            asked.append({"question_id": len(asked) + 1, "image": "one.jpg", "text": text, "category": split})
    (folder / "llava_pope_test.jsonl").write_text("\n".join(map(json.dumps, asked)))
    return folder


def write_labelled(folder: Path) -> Path:
    """A yes and a no in each of two splits, with the same numbers; one picture has a path of its own."""
    (folder / "photos").mkdir(parents=True)
    (folder / "photos/1.jpg").write_bytes(b"photo")
    (folder / "one.jpg").write_bytes(b"one")
    lines = []
    for split in ("random", "popular"):
        line = {"image": "one.jpg", "category": split}
        cat = {"question_id": 7, "text": "Is there a cat in the image?", "label": "yes"}
        lines.append(line | cat | {"file": "photos/1.jpg"})
        lines.append(line | {"question_id": 8, "text": "Is there a dog in the image?", "label": "no"})
    (folder / "mine.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return folder


def make(folder: Path) -> POPE:
    return POPE(str(folder), 128, strict=False, questions=None)


def make_labelled(folder: Path) -> POPE:
    return POPE(str(folder), 128, strict=False, questions="mine.jsonl")


def test_it_keeps_the_contract(tmp_path: Path) -> None:
    check_contract(make, write_pope(tmp_path), best=1.0)


def test_it_keeps_the_contract_on_labelled_questions(tmp_path: Path) -> None:
    check_contract(make_labelled, write_labelled(tmp_path), best=1.0)


def test_a_prompt_is_llavas(tmp_path: Path) -> None:
    question = make(write_pope(tmp_path)).questions()[1]
    assert question.text == (
        "<image>\nIs there a random in the image?\nAnswer the question using a single word or phrase."
    )
    assert (question.key, question.kind, question.answer) == ("2", "random", "no")


@pytest.mark.parametrize(
    ("answer", "said", "strictly"),
    [
        ("Yes", "yes", "yes"),
        ("No", "no", "no"),
        ("no", "no", "no"),
        ("NO", "yes", None),  # the official words are No, no and not
        ("There is not, I think", "no", "no"),
        ("Yes. No, there is none", "yes", "yes"),  # only what stands before the first period counts
        ("No, there is none", "no", "no"),
        ("Nothing", "yes", None),
        ("", "yes", None),
    ],
)
def test_an_answer_is_read_by_the_official_rule(
    answer: str, said: str, strictly: str | None, tmp_path: Path
) -> None:
    question = Question("1", "random", "", (), "yes")
    assert make(tmp_path).mark(question, answer).parsed == said
    assert POPE(str(tmp_path), 128, strict=True, questions=None).mark(question, answer).parsed == strictly


def test_f1_is_the_mean_of_the_splits(tmp_path: Path) -> None:
    benchmark = make(write_pope(tmp_path))
    always = metrics_of(benchmark, {question.key: "Yes" for question in benchmark.questions()})
    assert (always["f1"], always["yes_ratio"]) == pytest.approx((2 / 3, 1.0))
    never = metrics_of(benchmark, {question.key: "No" for question in benchmark.questions()})
    assert (never["f1"], never["accuracy"]) == (0.0, 0.5)


def test_labelled_questions_are_asked_as_llava_asks(tmp_path: Path) -> None:
    first, second, *_ = make_labelled(write_labelled(tmp_path)).questions()
    assert first.text == (
        "<image>\nIs there a cat in the image?\nAnswer the question using a single word or phrase."
    )
    assert (first.key, first.kind, first.answer) == ("random/7", "random", "yes")
    assert (first.pictures[0].read(), second.pictures[0].read()) == (b"photo", b"one")


def test_only_splits_that_exist_count(tmp_path: Path) -> None:
    benchmark = make_labelled(write_labelled(tmp_path))
    answers = {"random/7": "Yes", "random/8": "No", "popular/7": "No", "popular/8": "No"}
    found = metrics_of(benchmark, answers)
    assert (found["f1/random"], found["f1/popular"], found["f1"]) == (1.0, 0.0, 0.5)
    assert (found["accuracy"], found["recall"], found["yes_ratio"]) == (0.75, 0.5, 0.25)
    assert not any("adversarial" in name for name in found)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"label": "no"', '"label": "maybe"', "question 2 has no label that is yes or no; give it one"),
        ('"category": "popular"', '"split": "popular"', "question 3 has no category; give it one"),
        ('"question_id": 8', '"question_id": 7', "question 2 is the second random/7; give it another"),
    ],
)
def test_a_faulty_labelled_question_is_named(old: str, new: str, message: str, tmp_path: Path) -> None:
    file = write_labelled(tmp_path) / "mine.jsonl"
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(ValueError, match=f"mine.jsonl: {message}"):
        make_labelled(tmp_path).questions()


def test_a_question_without_a_label_is_named(tmp_path: Path) -> None:
    labels = write_pope(tmp_path) / "coco/coco_pope_popular.json"
    labels.write_text(labels.read_text().replace("a cat", "a dog"))
    with pytest.raises(ValueError, match="question 3 has no label in coco_pope_popular"):
        make(tmp_path).questions()


@pytest.mark.skipif(not (SHARED / "scoring/pope").is_dir(), reason="published answers are not here")
def test_published_answers_get_their_published_scores() -> None:
    benchmark = make(SHARED / "scoring/pope")
    lines = (SHARED / "scoring/pope/answers_llava-v1.5-13b.jsonl").read_text().splitlines()
    answers = {str(line["question_id"]): line["text"] for line in map(json.loads, lines)}
    found = metrics_of(benchmark, answers)
    assert {name: found[name] for name in PUBLISHED} == pytest.approx(PUBLISHED, abs=5e-4)


@pytest.mark.skipif(not (SHARED / "coco128").is_dir(), reason="coco128 is not here")
def test_it_reads_the_questions_about_coco128() -> None:
    benchmark = POPE(str(SHARED / "coco128"), 128, strict=False, questions="pope_on_these_images.jsonl")
    questions = benchmark.questions()
    assert [sum(question.kind == split for question in questions) for split in SPLITS] == [12, 12, 12]
    assert all(question.pictures[0].read().startswith(b"\xff\xd8") for question in questions)
    right = {question.key: benchmark.right_answer(question) for question in questions}
    assert metrics_of(benchmark, right)["f1"] == 1.0
