"""MM-Vet: a judge completes a table; published scores from the published grades."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.benchmark.contract import check_contract, metrics_of
from tests.conftest import SHARED, Compose
from tests.judge.fake import FakeJudge
from vlm.benchmark.judged import JudgedMark
from vlm.benchmark.mm_vet import AGAIN, PROMPT, MMVet, read_grade
from vlm.build_benchmarks import build_benchmarks

RECORDS = {
    "v1_0": {
        "imagename": "v1_0.png", "question": "What is x?", "answer": "-1<AND>-5",
        "capability": ["ocr", "math"], "imagesource": "web",
    },
    "v1_1": {
        "imagename": "v1_0.png", "question": "What is d?", "answer": "1.25<OR>5/4",
        "capability": ["ocr", "math"], "imagesource": "web",
    },
    "v1_7": {
        "imagename": "v1_7.jpg", "question": "Which room?", "answer": "kitchen",
        "capability": ["rec"], "imagesource": "web",
    },
}  # fmt: skip
PUBLISHED = {
    "total": 0.361, "capability/rec": 0.406, "capability/ocr": 0.280, "capability/know": 0.235,
    "capability/gen": 0.244, "capability/spat": 0.347, "capability/math": 0.077,
}  # fmt: skip
ALL = ["-1 and -5", "1.25", "kitchen"]


def write_mm_vet(folder: Path) -> Path:
    (folder / "images").mkdir(parents=True)
    (folder / "images/v1_0.png").write_bytes(b"zero")
    (folder / "images/v1_7.jpg").write_bytes(b"seven")
    (folder / "mm-vet.json").write_text(json.dumps(RECORDS))
    return folder


def last_row(prompt: str) -> list[str]:
    return prompt.removesuffix(AGAIN).split("\n")[-1].split(" | ")


def knowing(prompt: str) -> str:
    """Half a point for each part, as the table asks."""
    _, truth, prediction, _ = last_row(prompt)
    first = truth.split(" <OR> ")[0].split(" <AND> ")
    return str(sum(part in prediction for part in first) / len(first))


def make(folder: Path, judge: FakeJudge | None = None, **changes: Any) -> MMVet:
    settings = {"grades": None, "prompt": None, "legacy": False} | changes
    return MMVet(str(folder), 1024, judge or FakeJudge(knowing), **settings)


def marks_of(benchmark: MMVet, answers: list[str]) -> list[JudgedMark]:
    marks = benchmark.mark_all(benchmark.questions(), answers)
    return [mark for mark in marks if isinstance(mark, JudgedMark)]


def test_it_keeps_the_contract(tmp_path: Path) -> None:
    check_contract(make, write_mm_vet(tmp_path), best=1.0)


def test_a_question_is_plain(tmp_path: Path) -> None:
    first, _, last = make(write_mm_vet(tmp_path)).questions()
    assert (first.key, first.kind, first.text) == ("v1_0", "math+ocr", "<image>\nWhat is x?")
    assert (last.pictures[0].read(), last.answer) == (b"seven", "kitchen")


def test_the_judge_completes_the_table(tmp_path: Path) -> None:
    judge = FakeJudge(knowing)
    marks = marks_of(make(write_mm_vet(tmp_path), judge), ["x = -1", "x", "a kitchen"])
    assert [(mark.score, mark.parsed, mark.evidence) for mark in marks] == [
        (0.5, "0.5", "0.5"), (0.0, "0.0", "0.0"), (1.0, "1.0", "1.0"),
    ]  # fmt: skip
    rows = ["What is x? | -1 <AND> -5 | x = -1 | ", "What is d? | 1.25 <OR> 5/4 | x | "]
    assert [judge.prompts[number] for number in (0, 1)] == [
        [{"role": "user", "content": f"{PROMPT}\n{row}"}] for row in rows
    ]
    assert "Question | Ground truth | Prediction | Correctness\n--- | --- | --- | ---\n" in PROMPT
    assert all(len(row.split(" | ")) == 4 for row in PROMPT.splitlines()[4:])


@pytest.mark.parametrize(
    ("said", "grade"),
    [
        ("0.4", 0.4), ("1", 1.0), ("0.5 |", 0.5), (" 0.5\nbecause", 0.5), ("0", 0.0),
        ("1.1", None), ("-0.1", None), ("nan", None), ("inf", None), ("", None), ("  ", None),
        ("Correctness: 0.5", None), ("0.5.", None),
    ],
)  # fmt: skip
def test_the_first_word_is_the_grade(said: str, grade: float | None) -> None:
    assert read_grade(said) == grade


@pytest.mark.parametrize(("legacy", "total"), [(False, 0.5), (True, 1 / 3)])
def test_what_holds_no_grade_is_asked_for_once_more_and_then_left_out(
    legacy: bool, total: float, tmp_path: Path
) -> None:
    def says(prompt: str) -> str:
        if "What is x?" in prompt:
            return "I cannot say"
        if "What is d?" in prompt:
            return "0.0"
        return "1.0" if prompt.endswith(AGAIN) else "Well, 1.0"

    judge = FakeJudge(says)
    benchmark = make(write_mm_vet(tmp_path), judge, legacy=legacy)
    marks = marks_of(benchmark, ALL)
    assert [mark.parsed for mark in marks] == [None, "0.0", "1.0"]
    assert len(judge.prompts) == 5
    found = metrics_of(benchmark, dict(zip(RECORDS, ALL, strict=True)))
    assert found["total"] == pytest.approx(total)
    assert found["unreadable"] == pytest.approx(1 / 3)
    assert found["capability/rec"] == 1.0


@pytest.mark.parametrize("legacy", [False, True])
def test_who_could_not_be_reached_gave_no_grade(legacy: bool, tmp_path: Path) -> None:
    judge = FakeJudge(lambda prompt: None if "kitchen" in last_row(prompt)[1] else "0.5")
    benchmark = make(write_mm_vet(tmp_path), judge, legacy=legacy)
    assert metrics_of(benchmark, {})["total"] == 0.5
    assert len(judge.prompts) == 3


def test_capabilities_count_for_all_questions_that_need_them(tmp_path: Path) -> None:
    found = metrics_of(make(write_mm_vet(tmp_path)), {"v1_0": "-1", "v1_7": "kitchen"})
    assert (found["total"], found["capability/ocr"], found["capability/math"]) == (0.5, 0.25, 0.25)
    assert (found["combination/math+ocr"], found["combination/rec"]) == (0.25, 1.0)
    assert found["capability/know"] != found["capability/know"]  # nothing needs it: NaN


def test_the_users_own_table_stands_in_place_of_ours(tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text("MINE\nQ | T | P | C\n")
    judge = FakeJudge(knowing)
    make(write_mm_vet(tmp_path), judge, prompt=str(tmp_path / "own.txt")).mark_all(
        make(tmp_path).questions()[2:], ["kitchen"]
    )
    assert judge.prompts[0][0]["content"] == "MINE\nQ | T | P | C\n\nWhich room? | kitchen | kitchen | "
    assert make(tmp_path, prompt=str(tmp_path / "own.txt")).content() != make(tmp_path).content()
    with pytest.raises(ValueError, match=r"prompt=.*no.txt cannot be read"):
        metrics_of(make(tmp_path, prompt=str(tmp_path / "no.txt")), {})


def test_grades_made_earlier_need_no_judge(tmp_path: Path) -> None:
    grades = {
        key: {"model": ["gpt-4"] * 2, "content": ["a", "b"], "score": scores}
        for key, scores in zip(RECORDS, ([0.0, 0.5], [1.0, 1.0], [0.5, 0.5]), strict=True)
    }
    file = tmp_path / "grades.json"
    file.write_text(json.dumps(grades))
    benchmark = MMVet(str(write_mm_vet(tmp_path / "data")), 1024, None, str(file), None, legacy=False)
    marks = marks_of(benchmark, ["", "", ""])
    assert [(mark.score, mark.evidence) for mark in marks] == [(0.25, "a\nb"), (1.0, "a\nb"), (0.5, "a\nb")]
    assert benchmark.mark(benchmark.questions()[0], "").score == 0.25
    with pytest.raises(ValueError, match="grades one model's answers, and others came"):
        marks_of(benchmark, ["", "", "another"])

    before = benchmark.content()
    del grades["v1_7"]
    file.write_text(json.dumps(grades))
    assert benchmark.content() != before
    with pytest.raises(ValueError, match=r"grades.json has no grade of v1_7"):
        marks_of(benchmark, ["", "", ""])
    file.unlink()
    with pytest.raises(ValueError, match=r"grades=.* is no file"):
        marks_of(benchmark, ["", "", ""])


def test_without_a_judge_it_says_how_to_get_one(tmp_path: Path) -> None:
    benchmark = MMVet(str(write_mm_vet(tmp_path)), 1024, None, None, None, legacy=False)
    with pytest.raises(ValueError, match=r"MMVet needs a judge: say judge=openai, or grades=FILE"):
        benchmark.mark(benchmark.questions()[0], "x")


def test_a_table_of_another_form_is_named(tmp_path: Path) -> None:
    (write_mm_vet(tmp_path) / "mm-vet.json").write_text('{"v1_0": {"question": "x"}}')
    with pytest.raises(ValueError, match=r"mm-vet.json has another form"):
        make(tmp_path).questions()


def test_the_upload_is_the_evaluators(tmp_path: Path) -> None:
    benchmark = make(write_mm_vet(tmp_path))
    path = benchmark.write_upload(benchmark.questions(), ALL, tmp_path)
    assert json.loads(path.read_text()) == {"v1_0": "-1 and -5", "v1_1": "1.25", "v1_7": "kitchen"}


def test_the_sentence_makes_it_with_and_without_a_judge(
    compose: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["evaluation=none", "+benchmark@evaluation.benchmarks.mm_vet=mm_vet"]
    (plain,) = build_benchmarks(compose(*words)).values()
    assert isinstance(plain, MMVet)
    assert plain.judge is None
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    chosen = "judge@evaluation.benchmarks.mm_vet.judge=openai"
    (judged,) = build_benchmarks(compose(*words, chosen)).values()
    assert isinstance(judged, MMVet)
    assert judged.judge is not None


@pytest.mark.skipif(not (SHARED / "scoring/mm-vet").is_dir(), reason="published grades are not here")
def test_published_grades_give_the_published_scores() -> None:
    folder = SHARED / "scoring/mm-vet"
    grades = str(folder / "llava-v1.5-13b_gpt-4-grade-1runs.json")
    benchmark = MMVet(str(folder), 1024, None, grades, None, legacy=False)
    lines = (folder / "llava-v1.5-13b.jsonl").read_text().splitlines()
    answers = {f"v1_{line['question_id']}": line["text"] for line in map(json.loads, lines)}
    assert set(answers) == {question.key for question in benchmark.questions()}
    found = metrics_of(benchmark, answers)
    assert {name: found[name] for name in PUBLISHED} == pytest.approx(PUBLISHED, abs=5e-4)
    assert len([name for name in found if name.startswith("combination/")]) == 16
