"""MME: LLaVA's questions, MME's release in both of its layouts, and the rules of its calculation.py."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.benchmark.contract import check_contract, metrics_of
from vlm.benchmark.mme import COGNITION, MME, PERCEPTION
from vlm.benchmark.question import Question

SHORT = "Answer the question using a single word or phrase."
SPLIT_TASKS = {"artwork", "celebrity", "landmark", "posters", "scene"}


def write_mme(
    folder: Path, tasks: tuple[str, ...], root: str = "MME_Benchmark_release_version", pictures: int = 2
) -> Path:
    """Two pictures a task with a yes and a no each, numbered alike in each task; one odd double space."""
    asked = []
    for task in tasks:
        base = folder / root / task
        texts, images = (
            (base / "questions_answers_YN", base / "images") if task in SPLIT_TASKS else (base, base)
        )
        texts.mkdir(parents=True)
        images.mkdir(parents=True, exist_ok=True)
        for number in range(1, pictures + 1):
            name = f"{number:04}"
            (images / f"{name}.png").write_bytes(f"{task} {name}".encode())
            spaces = "  " if number == 2 else " "
            (texts / f"{name}.txt").write_text(
                f"Is this {task}?{spaces}Please answer yes or no.\tYes\n"
                f"Is this nothing, {name}?{spaces}Please answer yes or no.\tNo\r\n"
            )
            image = f"{images.relative_to(folder / root)}/{name}.png"
            for words in (f"Is this {task}?", f"Is this nothing, {name}?"):
                line = {"question_id": image, "image": image, "text": f"{words}\n{SHORT}", "category": task}
                asked.append(json.dumps(line))
    (folder / "llava_mme.jsonl").write_text("\n".join(asked))
    return folder


def make(folder: Path) -> MME:
    return MME(str(folder), 128)


def said(benchmark: MME, say: Callable[[Question], str]) -> dict[str, float]:
    return metrics_of(benchmark, {question.key: say(question) for question in benchmark.questions()})


def test_it_keeps_the_contract(tmp_path: Path) -> None:
    check_contract(make, write_mme(tmp_path, ("artwork",)), best=200.0)


@pytest.mark.parametrize("root", ["MME_Benchmark_release_version/MME_Benchmark", "MME_Benchmark"])
def test_the_release_may_be_unpacked_in_other_ways(root: str, tmp_path: Path) -> None:
    questions = make(write_mme(tmp_path, ("artwork", "count"), root)).questions()
    assert questions[-1].pictures[0].read() == b"count 0002"
    assert questions[0].pictures[0].read() == b"artwork 0001"


def test_a_prompt_is_llavas(tmp_path: Path) -> None:
    question = make(write_mme(tmp_path, ("artwork",))).questions()[1]
    assert question.text == f"<image>\nIs this nothing, 0001?\n{SHORT}"
    assert (question.key, question.kind, question.answer) == ("artwork/images/0001.png#2", "artwork", "no")


def test_all_right_is_2000_and_800_points(tmp_path: Path) -> None:
    benchmark = make(write_mme(tmp_path, PERCEPTION + COGNITION))
    assert len({question.cluster for question in benchmark.questions()}) == 28
    found = said(benchmark, benchmark.right_answer)
    assert (found["perception"], found["cognition"], found["points/OCR"]) == (2000, 800, 200)


def test_points_are_accuracy_and_pairs(tmp_path: Path) -> None:
    benchmark = make(write_mme(tmp_path, ("count", "OCR", "code_reasoning")))
    always = said(benchmark, lambda question: "Yes")
    assert (always["accuracy/count"], always["accuracy_plus/count"]) == (0.5, 0.0)
    assert (always["points/count"], always["perception"], always["cognition"]) == (50, 100, 50)
    # Of count, one picture is right as a whole, and half of the other: 75 % and 50 %.
    one = said(
        benchmark, lambda question: "No" if "0002" in question.key else benchmark.right_answer(question)
    )
    assert (one["points/count"], one["accuracy"], one["accuracy_plus"]) == (125, 0.75, 0.5)


def test_a_family_of_tasks_without_questions_is_nan(tmp_path: Path) -> None:
    found = said(make(write_mme(tmp_path, ("count",))), lambda question: "Yes")
    assert found["cognition"] != found["cognition"]


def test_pairs_are_pictures_in_any_order(tmp_path: Path) -> None:
    benchmark = make(write_mme(tmp_path, ("count",)))
    questions = sorted(benchmark.questions(), key=lambda question: question.text)
    right = [benchmark.right_answer(question) for question in questions]
    sums = benchmark.tally(questions, benchmark.mark_all(questions, right)).sums()
    assert benchmark.metrics(sums)["perception"][0] == 200


@pytest.mark.parametrize(
    ("answer", "parsed"),
    [
        ("Yes", "yes"),
        ("NO", "no"),
        ("yes, there is", "yes"),
        ("No.", "no"),
        ("not at all", "no"),
        ("I know", None),  # the first four characters are `I kn`
        ("Know", "no"),
        ("- Yes", None),
        ("\nyes", "yes"),
        ("noye", "no"),
        ("", None),
        ("unknown", None),
        ("İyes", None),  # two characters when small
    ],
)
def test_the_first_four_characters_are_read(answer: str, parsed: str | None, tmp_path: Path) -> None:
    mark = make(tmp_path).mark(Question("1", "count", "", (), "yes"), answer)
    assert (mark.parsed, mark.score) == (parsed, float(parsed == "yes"))


def test_llavas_ids_and_words_give_the_key(tmp_path: Path) -> None:
    benchmark = make(write_mme(tmp_path, ("count",)))
    assert benchmark.key_of("count/0002.png", f"Is this nothing, 0002?\n{SHORT}") == "count/0002.png#2"
    assert benchmark.key_of("count/0002.png", "Is this count? Please answer yes or no.") == "count/0002.png#1"
    assert benchmark.key_of("count/0002.png#1", None) == "count/0002.png#1"
    assert benchmark.key_of("count/0002.png", "Is this another?") == "count/0002.png"


def test_the_upload_is_what_the_official_tool_reads(tmp_path: Path) -> None:
    benchmark = make(write_mme(tmp_path, ("artwork", "count")))
    questions = benchmark.questions()
    order = [*questions[::2], *questions[1::2]]
    answers = ["Yes" if question.answer == "yes" else "No\n\tnone" for question in order]
    path = benchmark.write_upload(order, answers, tmp_path / "upload")
    assert sorted(file.name for file in path.iterdir()) == ["artwork.txt", "count.txt"]
    assert (path / "count.txt").read_text().split("\n") == [
        "0001.png\tIs this count? Please answer yes or no.\tYes\tYes",
        "0001.png\tIs this nothing, 0001? Please answer yes or no.\tNo\tNo  none",
        "0002.png\tIs this count?  Please answer yes or no.\tYes\tYes",
        "0002.png\tIs this nothing, 0002?  Please answer yes or no.\tNo\tNo  none",
        "",
    ]


def test_a_question_that_mme_does_not_have_is_named(tmp_path: Path) -> None:
    asked = write_mme(tmp_path, ("count",)) / "llava_mme.jsonl"
    asked.write_text(asked.read_text().replace("nothing, 0002", "something"))
    with pytest.raises(ValueError, match=r"count/0002\.png is not in .*0002\.txt; get both again"):
        make(tmp_path).questions()


def test_a_picture_with_one_question_is_named(tmp_path: Path) -> None:
    asked = write_mme(tmp_path, ("count",)) / "llava_mme.jsonl"
    asked.write_text("\n".join(asked.read_text().split("\n")[:-1]))
    with pytest.raises(ValueError, match=r"1 pictures have not two questions, such as count/0002\.png"):
        make(tmp_path).questions()


@pytest.mark.parametrize("line", ["Is it? Yes", "Is it?\tMaybe", "Is it?\tYes\tNo"])
def test_a_broken_official_file_is_named(line: str, tmp_path: Path) -> None:
    file = write_mme(tmp_path, ("count",)) / "MME_Benchmark_release_version/count/0001.txt"
    file.write_text(line)
    with pytest.raises(ValueError, match=r"0001\.txt has not a question, a tab, and Yes or No"):
        make(tmp_path).questions()


def test_a_line_without_a_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "llava_mme.jsonl").write_text('{"question_id": "count/0001.png", "text": "a"}')
    with pytest.raises(ValueError, match="question 1 has no image"):
        make(tmp_path).questions()
