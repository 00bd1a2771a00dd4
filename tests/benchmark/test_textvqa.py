"""TextVQA: LLaVA's questions with OCR words, TextVQA's answers, and how LLaVA's answers are found."""

import json
from pathlib import Path

import pytest

from tests.benchmark.contract import check_contract, metrics_of
from vlm.benchmark.answers import GivenAnswer, join
from vlm.benchmark.question import Question
from vlm.benchmark.textvqa import TextVQA

SHORT = "Answer the question using a single word or phrase."
OCR = "Reference OCR token: DAKOTA, Digital"
BRAND, SHOWN = f"What is the Brand?\n{OCR}\n{SHORT}", f"what is shown?\nReference OCR token: \n{SHORT}"


def write_textvqa(folder: Path) -> Path:
    """Two questions about one picture, in LLaVA's case and order and in TextVQA's."""
    (folder / "train_images").mkdir(parents=True)
    (folder / "train_images/0a.jpg").write_bytes(b"picture")
    records = [
        {"question_id": 34601, "image_id": "0a", "question": "what is shown?", "answers": ["one"] * 10},
        {
            "question_id": 34602,
            "image_id": "0a",
            "question": "what is the brand?",
            "answers": ["Dakota"] * 4 + ["dakota."] * 2 + ["dakota digital"] * 2 + ["2. 5", "v."],
        },
    ]
    (folder / "TextVQA_0.5.1_val.json").write_text(json.dumps({"data": records}))
    lines = [{"question_id": "0a", "image": "0a.jpg", "text": text} for text in (BRAND, SHOWN)]
    (folder / "llava_textvqa_val_v051_ocr.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return folder


def make(folder: Path) -> TextVQA:
    return TextVQA(str(folder), 128, ocr=True, fixed_periods=False)


def test_it_keeps_the_contract(tmp_path: Path) -> None:
    check_contract(make, write_textvqa(tmp_path), best=1.0)


def test_a_prompt_is_llavas_with_and_without_words(tmp_path: Path) -> None:
    first, second = make(write_textvqa(tmp_path)).questions()
    assert (first.text, second.text) == (f"<image>\n{BRAND}", f"<image>\n{SHOWN}")
    assert (first.key, second.key) == ("34602", "34601")
    blind = TextVQA(str(tmp_path), 128, ocr=False, fixed_periods=False).questions()
    assert [question.text for question in blind] == [
        f"<image>\nWhat is the Brand?\n{SHORT}",
        f"<image>\nwhat is shown?\n{SHORT}",
    ]
    assert [question.key for question in blind] == ["34602", "34601"]


@pytest.mark.parametrize(
    ("said", "worth"), [("DAKOTA", 1.0), ("The dakota digital.", 0.6), ("25", 0.0), ("2 5", 0.3), ("", 0.0)]
)
def test_both_sides_are_normalised(said: str, worth: float, tmp_path: Path) -> None:
    benchmark = make(write_textvqa(tmp_path))
    assert benchmark.mark(benchmark.questions()[0], said).score == pytest.approx(worth)


def test_periods_can_be_mended(tmp_path: Path) -> None:
    question = Question("1", "", "", (), ["no. 5."] * 5 + ["no. 5"] * 5)
    assert make(tmp_path).mark(question, "no 5.").score == 1.0
    mended = TextVQA(str(tmp_path), 128, ocr=True, fixed_periods=True)
    assert mended.mark(question, "no 5.").parsed == "no 5."
    assert mended.mark(Question("1", "", "", (), ["no 5."] + ["no 5"] * 9), "no 5.").score == pytest.approx(
        0.3
    )


def test_accuracy_is_one_number(tmp_path: Path) -> None:
    found = metrics_of(make(write_textvqa(tmp_path)), {"34602": "dakota digital", "34601": "1"})
    assert found == pytest.approx({"accuracy": 0.8})


@pytest.mark.parametrize(
    ("question_id", "prompt", "key"),
    [
        ("0a", BRAND, "34602"),
        ("0a", f"<image>\n{BRAND}", "34602"),
        ("0a", f"{OCR}\nWhat is the brand?\n{SHORT}", "34602"),
        ("0a", f"what is shown?\n{SHORT}", "34601"),
        ("0a", "OCR tokens: A, Question. Question: what is shown? Short answer:", "34601"),
        ("0a", None, "0a"),  # unknown: the id stays
        ("0b", BRAND, "0b"),
        ("34601", None, "34601"),
        ("34601", BRAND, "34601"),
    ],
)
def test_llavas_answers_find_their_question(
    question_id: str, prompt: str | None, key: str, tmp_path: Path
) -> None:
    assert make(write_textvqa(tmp_path)).key_of(question_id, prompt) == key


def test_llavas_answers_join(tmp_path: Path) -> None:
    benchmark = make(write_textvqa(tmp_path))
    given = [GivenAnswer("0a", "one", SHOWN, 1), GivenAnswer("0a", "Dakota", BRAND, 2)]
    joined = join(benchmark.questions(), given, tmp_path, False, benchmark.key_of)
    assert joined.answers == {"34601": "one", "34602": "Dakota"}


def test_the_same_question_twice_is_two(tmp_path: Path) -> None:
    asked, answered = make(write_textvqa(tmp_path)).files()
    asked.write_text(asked.read_text() + "\n" + asked.read_text())
    data = json.loads(answered.read_text())["data"]
    data += [record | {"question_id": record["question_id"] + 100} for record in data]
    answered.write_text(json.dumps({"data": data}))
    benchmark = make(tmp_path)
    assert [question.key for question in benchmark.questions()] == ["34602", "34601", "34702", "34701"]
    assert benchmark.key_of("0a", BRAND) == "34602"


def test_a_question_that_textvqa_lacks_is_named(tmp_path: Path) -> None:
    asked, _ = make(write_textvqa(tmp_path)).files()
    asked.write_text(asked.read_text().replace("shown", "hidden"))
    with pytest.raises(ValueError, match="'what is hidden\\?'"):
        make(tmp_path).questions()
