"""What is asked about which pictures."""

import io
from pathlib import Path

import pytest
from PIL import Image

from vlm.corpus.formats.prompts import LETTER, SHORT_ANSWER
from vlm.data.sample import Turn
from vlm.labelling.questions import FolderQuestions, Question, ShardQuestions, ask_alone


def turns(*texts: str) -> tuple[Turn, ...]:
    return tuple(Turn(("human", "gpt")[place % 2], text) for place, text in enumerate(texts))


def test_each_question_says_by_itself_what_form_its_answer_has() -> None:
    said = turns(
        f"<image>\nHow many?\n{SHORT_ANSWER}", "2", "What color?", "red", f"A or B?\n{LETTER}", "A", "Why?"
    )
    assert list(ask_alone(said)) == [
        Question("How many?", SHORT_ANSWER, "2"), Question("What color?", SHORT_ANSWER, "red"),
        Question("A or B?", LETTER, "A"), Question("Why?", LETTER, ""),
    ]  # fmt: skip
    assert next(ask_alone(said)).asked == f"How many?\n{SHORT_ANSWER}"
    assert next(ask_alone(turns("What is this?\n<image>", "a dog"))) == Question("What is this?", "", "a dog")


def test_the_questions_of_shards(data_folder: Path) -> None:
    shards = [f"{data_folder}/shapes/train/{{attribute,count}}-*.tar"]
    questions = ShardQuestions(shards, None, "all", None)
    first, *_, last = list(questions)
    assert (first.kind, last.kind) == ("attribute", "count")
    assert first.image == "attribute-000000.jpg"
    assert all(question.form == SHORT_ANSWER and question.known for question in first.questions)
    (picture,) = first.read().values()
    assert Image.open(io.BytesIO(picture)).size == (72, 72)
    assert questions.counts()["attribute"] > 100
    assert ShardQuestions(shards, None, "first", None).counts() == {"attribute": 100, "count": 50}
    assert ShardQuestions(shards, "What?", "all", 7).counts() == {"attribute": 7}
    assert questions.header() != ShardQuestions(shards, "What?", "all", None).header()


def test_one_question_about_each_picture_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "deep/b c.png")
    (tmp_path / "a.jpg").write_bytes(b"broken")
    broken, whole = FolderQuestions(tmp_path, "What?", None)
    assert (whole.key, whole.image, whole.questions) == (
        "00000001-deep_b_c",
        "deep/b c.png",
        (Question("What?"),),
    )
    assert whole.read() == {"png": (tmp_path / "deep/b c.png").read_bytes()}
    assert broken.read() == {}
    with pytest.raises(ValueError, match="has no picture"):
        FolderQuestions(tmp_path / "none", "What?", None)
