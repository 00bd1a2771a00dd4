"""LLaVA-Bench: LLaVA's message, its first line of two numbers, its ratio of means, and its quirks."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.benchmark.contract import check_contract, metrics_of
from tests.conftest import Compose
from tests.judge.fake import FakeJudge
from vlm.benchmark.judged import JudgedMark
from vlm.benchmark.llava_bench import SYSTEM, LLaVABench, read_pair
from vlm.build_benchmarks import build_benchmarks

WILD = {
    "files_of": {
        "questions": "questions.jsonl", "references": "answers_gpt4.jsonl", "context": "context.jsonl",
    },
    "pictures": ["images/{}"],
    "rule_prefix": "llava_bench_",
}  # fmt: skip
COCO = {
    "files_of": {
        "questions": "qa90_questions.jsonl", "references": "qa90_gpt4_answer.jsonl",
        "context": "caps_boxes_coco2014_val_80.jsonl",
    },
    "pictures": ["val2014/COCO_val2014_{}", "val2014/{}"],
    "rule_prefix": "",
}  # fmt: skip
QUESTIONS = [
    {"question_id": 0, "image": "001.jpg", "category": "conv", "text": "Which sight?"},
    {"question_id": 1, "image": "001.jpg", "category": "detail", "text": "Describe it."},
    {"question_id": 2, "image": "002.jpg", "category": "conv", "text": "Which fruit?"},
]
REFERENCES = ["Diamond Head.", "A crater by the sea.", "A mangosteen."]


def write_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def write_bench(folder: Path, kind: dict[str, Any] = WILD) -> Path:
    folder.mkdir(exist_ok=True)
    write_lines(folder / kind["files_of"]["questions"], QUESTIONS)
    references = [{"question_id": number, "text": text} for number, text in enumerate(REFERENCES)]
    write_lines(folder / kind["files_of"]["references"], references[::-1])
    for name in ("001.jpg", "002.jpg"):
        path = folder / kind["pictures"][0].format(name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name.encode())
    contexts: list[dict[str, Any]] = [
        {"id": "001", "image": "001.jpg", "caption": "An aerial view."},
        {"id": "002", "image": "002.jpg", "caption": ["Four fruits.", "One is cut."]},
    ]
    if kind is COCO:
        boxes = [
            {"category": "boat", "bbox": [0.1, 0.25, 0.5, 1.0]},
            {"category": "dog", "bbox": [0, 0.5, 1, 1]},
        ]
        contexts = [
            {"id": name, "image": f"{name}.jpg", "captions": ["A sea.", "A boat."], "instances": boxes}
            for name in ("001", "002")
        ]
    write_lines(folder / kind["files_of"]["context"], contexts)
    return folder


def shown(prompt: str) -> list[str]:
    """The two answers in a prompt."""
    after = [prompt.split(f"[Assistant {place}]\n")[1] for place in (1, 2)]
    return [text.split("\n\n[End of Assistant ")[0] for text in after]


def fair(prompt: str) -> str:
    """8 for an answer that is GPT-4's, 2 for any other."""
    return " ".join("8" if answer in REFERENCES else "2" for answer in shown(prompt)) + "\nSince..."


def make(folder: Path, judge: FakeJudge | None = None, **changes: Any) -> LLaVABench:
    settings = WILD | {"reviews": None, "legacy": False} | changes
    return LLaVABench(str(folder), 1024, judge or FakeJudge(fair), **settings)


def marks_of(benchmark: LLaVABench, answers: list[str]) -> list[JudgedMark]:
    marks = benchmark.mark_all(benchmark.questions(), answers)
    return [mark for mark in marks if isinstance(mark, JudgedMark)]


@pytest.mark.parametrize("kind", [WILD, COCO])
def test_it_keeps_the_contract(kind: dict[str, Any], tmp_path: Path) -> None:
    check_contract(lambda folder: make(folder, **kind), write_bench(tmp_path / "data", kind), best=100.0)


def test_a_question_is_plain(tmp_path: Path) -> None:
    first, second, third = make(write_bench(tmp_path)).questions()
    assert (first.key, first.kind, first.text) == ("0", "conv", "<image>\nWhich sight?")
    assert (second.answer, third.pictures[0].read()) == ("A crater by the sea.", b"002.jpg")
    coco = make(write_bench(tmp_path / "coco", COCO), **COCO).questions()
    assert coco[2].pictures[0].read() == b"002.jpg"


def test_the_message_is_llavas(tmp_path: Path) -> None:
    rules = {
        f"llava_bench_{kind}": {"role": "Assistant", "prompt": f"Rate {kind}."} for kind in ("conv", "detail")
    }
    (write_bench(tmp_path) / "rule.json").write_text(json.dumps(rules))
    judge = FakeJudge(fair)
    marks_of(make(tmp_path, judge), ["Honolulu", "b", "c"])
    assert judge.prompts[0] == [
        {"role": "system", "content": SYSTEM},
        {
            "role": "user",
            "content": (
                "[Context]\nAn aerial view.\n\n[Question]\nWhich sight?\n\n"
                "[Assistant 1]\nDiamond Head.\n\n[End of Assistant 1]\n\n"
                "[Assistant 2]\nHonolulu\n\n[End of Assistant 2]\n\n"
                "[System]\nRate conv.\n\n"
            ),
        },
    ]
    assert "[Context]\nFour fruits.\nOne is cut.\n\n[Question]" in judge.prompts[2][1]["content"]
    assert SYSTEM == "You are a helpful and precise assistant for checking the quality of the answer."


def test_the_message_about_coco_tells_boxes(tmp_path: Path) -> None:
    judge = FakeJudge(fair)
    marks_of(make(write_bench(tmp_path, COCO), judge, **COCO), ["a", "b", "c"])
    said = judge.prompts[0][1]["content"]
    context = "A sea.\nA boat.\n\nboat: [0.1, 0.25, 0.5, 1.0]\ndog: [0, 0.5, 1, 1]"
    assert said.startswith(f"[Context]\n{context}\n\n[Question]\nWhich sight?\n\n[Assistant 1]\n")
    assert "(x1, y1, x2, y2)" in said.split("[System]")[1]


@pytest.mark.parametrize("kind", [WILD, COCO])
def test_our_own_rules_make_the_same_demands(kind: dict[str, Any], tmp_path: Path) -> None:
    judge = FakeJudge(fair)
    marks_of(make(write_bench(tmp_path, kind), judge, **kind), ["a", "b", "c"])
    rule = judge.prompts[0][1]["content"].split("[System]\n")[1]
    said = "helpful, relevant, accurate, detailed, from 1 to 10, first line, a space, which answer came first"
    assert all(demand in rule for demand in said.split(", "))
    assert rule.endswith("\n\n")


def test_rules_without_a_category_are_named(tmp_path: Path) -> None:
    (write_bench(tmp_path) / "rule.json").write_text('{"conv": {"role": "Assistant", "prompt": "x"}}')
    with pytest.raises(ValueError, match=r"rule.json has no llava_bench_conv"):
        marks_of(make(tmp_path), ["a", "b", "c"])


def test_rules_are_part_of_the_content(tmp_path: Path) -> None:
    before = make(write_bench(tmp_path)).content()
    (tmp_path / "rule.json").write_text('{"conv": {"role": "Assistant", "prompt": "x"}}')
    assert make(tmp_path).content() != before


def test_legacy_spells_a_description_that_is_one_text(tmp_path: Path) -> None:
    judge = FakeJudge(fair)
    marks_of(make(write_bench(tmp_path), judge, legacy=True), ["a", "b", "c"])
    assert judge.prompts[0][1]["content"].startswith("[Context]\nA\nn\n \na\ne\nr\ni\na\nl\n")
    assert judge.prompts[2][1]["content"].startswith("[Context]\nFour fruits.\nOne is cut.\n\n")


@pytest.mark.parametrize(
    ("review", "strictly", "pair"),
    [
        ("8 7\nbecause", (8.0, 7.0), (8.0, 7.0)),
        ("8.5,7", (8.5, 7.0), (8.5, 7.0)),
        ("8, 7\nbecause", None, (8.0, 7.0)),  # a comma becomes a second space
        ("8 7 \n", None, (8.0, 7.0)),
        ("\n8 7", None, (8.0, 7.0)),
        ("8\n7", None, None),
        ("Assistant 1: 8", None, None),
        ("8 7 6", None, None),
        ("8/10 7/10", None, None),
        ("eight seven", None, None),
        ("8 nan", None, None),
        ("", None, None),
    ],
)
def test_the_first_line_is_two_numbers(
    review: str, strictly: tuple[float, float] | None, pair: tuple[float, float] | None
) -> None:
    assert read_pair(review, strict=True) == strictly
    assert read_pair(review, strict=False) == pair


def test_the_score_is_a_ratio_of_means(tmp_path: Path) -> None:
    says = {"Which sight?": "10 5", "Describe it.": "8 8", "Which fruit?": "2 4"}
    judge = FakeJudge(lambda prompt: says[prompt.split("[Question]\n")[1].split("\n")[0]])
    found = metrics_of(make(write_bench(tmp_path), judge), {})
    assert found["relative"] == pytest.approx(100 * 17 / 20)
    assert found["relative/conv"] == pytest.approx(100 * 9 / 12)  # the mean of ratios would be 125
    assert found["relative/detail"] == 100.0
    assert found["reference_score"] == pytest.approx(10 * 20 / 3)
    assert found["answer_score"] == pytest.approx(10 * 17 / 3)
    assert (found["reference_score/conv"], found["answer_score/conv"]) == (60.0, 45.0)
    assert found["unreadable"] == 0.0


@pytest.mark.parametrize(
    ("legacy", "relative", "answer_score"),
    [(False, 50.0, 40.0), (True, 100 * (4 + 4 - 1) / (8 + 8 - 1), 70 / 3)],
)
def test_what_cannot_be_read_is_counted_and_left_out(
    legacy: bool, relative: float, answer_score: float, tmp_path: Path
) -> None:
    judge = FakeJudge(lambda prompt: "Both are fine." if "Describe it." in prompt else "8 4\nSince")
    benchmark = make(write_bench(tmp_path), judge, legacy=legacy)
    assert [(mark.parsed, mark.evidence) for mark in marks_of(benchmark, ["a", "b", "c"])] == [
        ("8 4", "8 4\nSince"), (None, "Both are fine."), ("8 4", "8 4\nSince"),
    ]  # fmt: skip
    found = metrics_of(benchmark, {})
    assert found["relative"] == pytest.approx(relative)
    assert found["answer_score"] == pytest.approx(answer_score)
    assert found["unreadable"] == pytest.approx(1 / 3)
    assert (found["unreadable/conv"], found["unreadable/detail"]) == (0.0, 1.0)


@pytest.mark.parametrize("legacy", [False, True])
def test_who_could_not_be_reached_gave_no_rating(legacy: bool, tmp_path: Path) -> None:
    judge = FakeJudge(lambda prompt: None if "Describe it." in prompt else "8 4")
    found = metrics_of(make(write_bench(tmp_path), judge, legacy=legacy), {})
    assert (found["relative"], found["unreadable"]) == (50.0, pytest.approx(1 / 3))


def test_both_orders_average_a_judge_that_favors_a_place(tmp_path: Path) -> None:
    judge = FakeJudge(lambda prompt: "9 3", both_orders=True)
    benchmark = make(write_bench(tmp_path), judge)
    marks = marks_of(benchmark, ["a", "b", "c"])
    assert [(mark.score, mark.parsed, mark.evidence) for mark in marks] == [(6.0, "6 6", "9 3\n\n9 3")] * 3
    assert shown(judge.prompts[0][1]["content"]) == ["Diamond Head.", "a"]
    assert shown(judge.prompts[3][1]["content"]) == ["a", "Diamond Head."]
    assert metrics_of(benchmark, {})["relative"] == 100.0
    once = FakeJudge(lambda prompt: "9 3")
    assert metrics_of(make(tmp_path, once), {})["relative"] == pytest.approx(100 / 3)


def test_half_of_both_orders_is_not_enough(tmp_path: Path) -> None:
    says = {"Diamond Head.": "8 4", "a": "no"}
    judge = FakeJudge(lambda prompt: says.get(shown(prompt)[0], "8 8"), both_orders=True)
    marks = marks_of(make(write_bench(tmp_path), judge), ["a", "b", "c"])
    assert [mark.parsed for mark in marks] == [None, "8 8", "8 8"]
    assert [mark.counted for mark in marks] == [False, True, True]


@pytest.mark.parametrize(("legacy", "relative"), [(False, 100 * 13 / 16), (True, 100 * 12 / 15)])
def test_reviews_made_earlier_need_no_judge(legacy: bool, relative: float, tmp_path: Path) -> None:
    reviews = [
        {"id": 1, "question_id": 0, "answer2_id": "x", "category": "llava_bench_conv", "content": "8 5\nA",
         "tuple": [8.0, 5.0]},
        {"id": 2, "question_id": 1, "answer2_id": "y", "content": "8, 7", "tuple": [-1, -1]},
        {"id": 3, "question_id": 2, "answer2_id": "z", "content": "8 8", "tuple": [8.0, 8.0]},
    ]  # fmt: skip
    file = tmp_path / "reviews.jsonl"
    write_lines(file, reviews)
    folder = write_bench(tmp_path / "data")
    benchmark = LLaVABench(str(folder), 1024, None, **WILD, reviews=str(file), legacy=legacy)
    marks = marks_of(benchmark, ["", "", ""])
    assert [(mark.score, mark.parsed) for mark in marks] == [(5.0, "8 5"), (-1.0, None), (8.0, "8 8")]
    assert marks[0].evidence == "8 5\nA"
    assert metrics_of(benchmark, {})["relative"] == pytest.approx(relative)
    with pytest.raises(ValueError, match="grades one model's answers, and others came"):
        marks_of(benchmark, ["", "", "another"])
    write_lines(file, reviews[:2])
    with pytest.raises(ValueError, match=r"reviews.jsonl has no review of question 2"):
        marks_of(benchmark, ["", "", ""])


def test_without_a_judge_it_says_how_to_get_one(tmp_path: Path) -> None:
    benchmark = LLaVABench(str(write_bench(tmp_path)), 1024, None, **WILD, reviews=None, legacy=False)
    with pytest.raises(ValueError, match=r"LLaVABench needs a judge: say judge=openai, or reviews=FILE"):
        benchmark.mark(benchmark.questions()[0], "x")


def test_files_that_do_not_belong_together_are_named(tmp_path: Path) -> None:
    write_lines(write_bench(tmp_path) / "answers_gpt4.jsonl", [{"question_id": 0, "text": "x"}])
    with pytest.raises(ValueError, match=r"do not belong together: nothing is found for '1'"):
        make(tmp_path).questions()


def test_the_upload_is_what_llavas_script_reads(tmp_path: Path) -> None:
    benchmark = make(write_bench(tmp_path))
    path = benchmark.write_upload(benchmark.questions(), ["a", "b", "c"], tmp_path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["question_id"], line["prompt"], line["text"]) for line in lines] == [
        (0, "Which sight?", "a"), (1, "Describe it.", "b"), (2, "Which fruit?", "c"),
    ]  # fmt: skip
    assert len({line["answer_id"] for line in lines}) == 3


@pytest.mark.parametrize(("name", "kind"), [("llava_bench_wild", WILD), ("llava_bench_coco", COCO)])
def test_the_sentence_makes_it(name: str, kind: dict[str, Any], compose: Compose, tmp_path: Path) -> None:
    folder = write_bench(tmp_path / "bench", kind)
    words = [f"+benchmark@evaluation.benchmarks.b={name}", f"evaluation.benchmarks.b.folder={folder}"]
    (made,) = build_benchmarks(compose("evaluation=none", *words)).values()
    assert len(made.questions()) == 3
