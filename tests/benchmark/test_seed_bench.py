"""SEED-Bench: LLaVA's prompts, SEED-Bench's answers, the letter and nothing else."""

import json
from pathlib import Path

import pytest

from tests.benchmark.contract import check_contract, metrics_of
from vlm.benchmark.question import Question
from vlm.benchmark.seed_bench import SEEDBench

TYPES = {"Scene Understanding": 1, "Instance Counting": 5, "Action Recognition": 10}


def write_seed_bench(folder: Path) -> Path:
    """Three questions about pictures, one about a video; ids are texts here and numbers there."""
    questions, asked = [], []
    for key, kind, data, answer in (
        ("101", 1, "image", "A"),
        ("102", 5, "image", "B"),
        ("103", 5, "image", "C"),
        ("v_1", 10, "video", "D"),
    ):
        choices = {f"choice_{letter}": f"{letter}{key}" for letter in "abcd"}
        questions.append(
            {
                "question_id": key,
                "question_type_id": kind,
                "data_type": data,
                "answer": answer,
                "question": "?",
            }
            | choices
        )
        image = f"SEED-Bench-{'video-' * (data == 'video')}image/{key}.jpg"
        (folder / image).parent.mkdir(exist_ok=True)
        (folder / image).write_bytes(key.encode())
        line = {"question_id": int(key) if key.isdecimal() else key, "image": image, "text": f"ask {key}"}
        asked.append(json.dumps(line))
    content = {"question_type": TYPES, "questions": questions}
    (folder / "SEED-Bench.json").write_text(json.dumps(content))
    (folder / "llava-seed-bench.jsonl").write_text("\n".join(reversed(asked)))
    return folder


def make(folder: Path) -> SEEDBench:
    return SEEDBench(str(folder), 128, ["image", "video"])


def test_it_keeps_the_contract(tmp_path: Path) -> None:
    check_contract(make, write_seed_bench(tmp_path), best=1.0)


def test_a_prompt_is_llavas(tmp_path: Path) -> None:
    video = make(write_seed_bench(tmp_path)).questions()[0]
    assert (video.key, video.kind, video.text) == ("v_1", "video/Action Recognition", "<image>\nask v_1")
    assert video.choices[3] == "dv_1"
    assert video.pictures[0].read() == b"v_1"


@pytest.mark.parametrize(
    ("answer", "score", "parsed"),
    [
        ("B", 1.0, "B"),
        ("A", 0.0, "A"),
        ("B.", 0.0, None),
        ("b", 0.0, None),
        ("E", 0.0, None),
        ("", 0.0, None),
    ],
)
def test_an_answer_is_the_letter(answer: str, score: float, parsed: str | None, tmp_path: Path) -> None:
    mark = make(tmp_path).mark(Question("1", "", "", (), "B", ("p", "q", "r", "s")), answer)
    assert (mark.score, mark.parsed) == (score, parsed)


def test_each_type_each_medium_and_all(tmp_path: Path) -> None:
    found = metrics_of(make(write_seed_bench(tmp_path)), {"101": "A", "102": "B", "103": "A", "v_1": "A"})
    assert found == {
        "accuracy": 0.5,
        "accuracy/image": pytest.approx(2 / 3),
        "accuracy/video": 0.0,
        "accuracy/image/Scene Understanding": 1.0,
        "accuracy/image/Instance Counting": 0.5,
        "accuracy/video/Action Recognition": 0.0,
    }


def test_videos_may_be_left_out(tmp_path: Path) -> None:
    benchmark = SEEDBench(str(write_seed_bench(tmp_path)), 128, ["image"])
    assert [question.key for question in benchmark.questions()] == ["103", "102", "101"]
    with pytest.raises(ValueError, match=r"benchmark\.data_types is \['sound'\]"):
        SEEDBench(str(tmp_path), 128, ["sound"])


def test_the_upload_has_the_order_and_the_ids_of_the_official_file(tmp_path: Path) -> None:
    benchmark = make(write_seed_bench(tmp_path))
    questions = benchmark.questions()
    path = benchmark.write_upload(questions, [f"said {question.key}" for question in questions], tmp_path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0] == {"question_id": "101", "prediction": "said 101"}
    assert [line["question_id"] for line in lines] == ["101", "102", "103", "v_1"]


def test_a_missing_prompt_is_named(tmp_path: Path) -> None:
    path = write_seed_bench(tmp_path) / "llava-seed-bench.jsonl"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]))
    with pytest.raises(ValueError, match=r"lacks 1 questions of SEED-Bench\.json, the first being 101"):
        make(tmp_path).questions()
