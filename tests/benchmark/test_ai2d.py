"""AI2D: its files, LLaVA's prompt, letters where its diagrams have words."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.benchmark.contract import check_contract, metrics_of
from vlm.benchmark.ai2d import AI2D, draw_letters
from vlm.benchmark.question import Question

WORDS = {"T0": {"rectangle": [[10, 10], [40, 30]], "replacementText": "A", "value": "ears"}}


def png(size: tuple[int, int] = (60, 40)) -> bytes:
    out = io.BytesIO()
    Image.new("L", size, 100).save(out, "PNG")
    return out.getvalue()


def write_ai2d(folder: Path) -> Path:
    """A test picture with two questions, another with one, one of the training set, one without questions."""
    for name in ("questions", "annotations", "images"):
        (folder / name).mkdir()
    options = ["ears", "nose", "mouth", "face"]
    for number, asked in {
        "10": {"What is A?": {"abcLabel": True, "correctAnswer": 3}, "Why?": {"correctAnswer": 1}},
        "2": {"How?": {"correctAnswer": 0}},
        "3": {"Trained?": {"correctAnswer": 0}},
    }.items():
        questions = {
            text: {"abcLabel": False, "answerTexts": options, "questionId": f"{number}.png-{place}"} | record
            for place, (text, record) in enumerate(asked.items())
        }
        content = {"imageName": f"{number}.png", "questions": questions}
        (folder / f"questions/{number}.png.json").write_text(json.dumps(content))
        (folder / f"annotations/{number}.png.json").write_text(json.dumps({"text": WORDS}))
        (folder / f"images/{number}.png").write_bytes(png())
    (folder / "ai2d_test_ids.csv").write_text("10\n2\n4\n")
    return folder


def make(folder: Path) -> AI2D:
    return AI2D(str(folder), 1024)


def test_it_keeps_the_contract(tmp_path: Path) -> None:
    check_contract(make, write_ai2d(tmp_path), best=1.0)


def test_a_prompt_is_llavas(tmp_path: Path) -> None:
    questions = make(write_ai2d(tmp_path)).questions()
    assert [(question.key, question.kind, question.answer) for question in questions] == [
        ("2.png-0", "words", "A"),
        ("10.png-0", "letters", "D"),
        ("10.png-1", "words", "B"),
    ]
    assert questions[1].text == (
        "<image>\nWhat is A?\nA. ears\nB. nose\nC. mouth\nD. face\n"
        "Answer with the option's letter from the given choices directly."
    )
    assert questions[1].cluster == questions[2].cluster == "10.png"


def test_letters_are_drawn_only_where_they_are_asked_about(tmp_path: Path) -> None:
    _, lettered, plain = make(write_ai2d(tmp_path)).questions()
    assert plain.pictures[0].read() == png()
    assert lettered.pictures[0].read() == draw_letters(png(), WORDS)
    assert lettered.pictures[0].name != plain.pictures[0].name


@pytest.mark.parametrize("letter", ["A", "W", "j"])
def test_a_letter_fills_its_box_and_no_more(letter: str) -> None:
    words = {"T0": WORDS["T0"] | {"replacementText": letter}}
    drawn = np.asarray(Image.open(io.BytesIO(draw_letters(png(), words))))
    black = np.argwhere((drawn < 60).all(-1))
    assert drawn.shape == (40, 60, 3)
    assert (black.min(0) >= (10, 10)).all()
    assert (black.max(0) <= (30, 40)).all()
    height, width = np.ptp(black, axis=0)
    assert height >= 14 or width >= 22
    outside = np.ones((40, 60), dtype=bool)
    outside[10:31, 10:41] = False
    assert (drawn[outside] == 100).all()


def test_a_box_without_room_is_only_white() -> None:
    words = {"T0": {"rectangle": [[10, 10], [10, 10]], "replacementText": "A"}}
    assert draw_letters(png(), words)


def test_an_answer_may_be_words(tmp_path: Path) -> None:
    benchmark, question = make(tmp_path), Question("1", "", "", (), "B", ("ears", "nose"))
    for answer, score, parsed in (
        ("B", 1.0, "B"),
        ("the nose", 1.0, "B"),
        ("A", 0.0, "A"),
        ("hair", 0.0, None),
    ):
        mark = benchmark.mark(question, answer)
        assert (mark.score, mark.parsed) == (score, parsed)


def test_kinds_are_told_apart(tmp_path: Path) -> None:
    found = metrics_of(make(write_ai2d(tmp_path)), {"2.png-0": "A", "10.png-0": "A", "10.png-1": "A"})
    assert found == {"accuracy": pytest.approx(1 / 3), "accuracy/letters": 0.0, "accuracy/words": 0.5}


@pytest.mark.parametrize("name", ["questions/2.png.json", "annotations/10.png.json"])
def test_its_content_is_all_that_is_read(name: str, tmp_path: Path) -> None:
    before = make(write_ai2d(tmp_path)).content()
    (tmp_path / "questions/3.png.json").write_text("{}")  # of the training set
    assert make(tmp_path).content() == before
    (tmp_path / name).write_text((tmp_path / name).read_text() + "\n")
    assert make(tmp_path).content() != before


def test_no_questions_are_named(tmp_path: Path) -> None:
    (tmp_path / "ai2d_test_ids.csv").write_text("1\n")
    with pytest.raises(ValueError, match=r"questions has no question about a picture of .*get it from"):
        make(tmp_path).questions()
