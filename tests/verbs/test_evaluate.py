"""`vlm evaluate` on answers that anybody has made; and the words that choose benchmarks."""

import json
from pathlib import Path

import pytest

from tests.benchmark.test_pope import write_pope
from vlm.cli import main
from vlm.verbs.evaluate import Evaluate, choose_benchmarks


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    """Right to all but the last of six questions."""
    write_pope(tmp_path / "pope")
    path = tmp_path / "answers.jsonl"
    texts = ["Yes", "No", "Yes", "No", "Yes", "Yes"]
    lines = [{"question_id": number, "text": text} for number, text in enumerate(texts, 1)]
    path.write_text("\n".join(map(json.dumps, lines)) + "\n")
    return path


def evaluate(answers: Path, *words: str) -> int:
    return main(["evaluate", f"answers={answers}", "benchmark=pope", f"data={answers.parent}/pope", *words])


def test_given_answers_are_scored_with_their_error_and_leave_evidence(
    answers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(answers, f"output={tmp_path}/out") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "pope: 6 questions, 6 answered, 0 missing, 0 duplicated, 0 unparseable"
    assert lines[1].split() == ["f1", "0.88889", "[0.8889,", "0.8889]"]  # one picture has no error
    assert lines[-1].split()[0] == "majority"
    [score] = tmp_path.glob("out/pope-*.json")
    kept = json.loads(score.read_text())
    assert kept["metrics"]["f1"] == pytest.approx(8 / 9)
    assert {"prompt_hash", "content", "version", "scoring", "answers"} <= set(kept["how"])
    [predictions] = tmp_path.glob("out/pope-*.predictions.jsonl")
    last = [json.loads(line) for line in predictions.read_text().splitlines()][-1]
    assert (last["prediction"], last["parsed"], last["answer"], last["score"]) == ("Yes", "yes", "no", 0.0)


def test_a_file_that_lacks_answers_is_refused_and_can_be_allowed(
    answers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers.write_text("".join(answers.read_text().splitlines(keepends=True)[:4]))
    assert evaluate(answers) == 2
    assert "2 answers are missing (ids 5, 6)" in capsys.readouterr().err
    assert evaluate(answers, "incomplete=true") == 0
    assert "4 answered, 2 missing" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["answers=x"], "answers=x goes with one benchmark; say benchmark=NAME"),
        (["benchmark=pope,mme", "data=x"], "data=x goes with one benchmark"),
        (["benchmark=nothing"], "nothing"),
        (["benchmark=pope", "judge=openai"], "judge=openai has no effect: pope is judged by rules"),
        (
            ["benchmark=pope", "data=/nowhere"],
            "/nowhere has no coco/coco_pope_random.json or coco_pope_random.json; get it from",
        ),
        (["evaluation=none"], "evaluation.benchmarks is empty"),
    ],
)
def test_what_does_not_go_is_one_line(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", *words, "answers=x"] if "/nowhere" in str(words) else ["evaluate", *words]) == 2
    error = capsys.readouterr().err.strip()
    assert message in error
    assert "\n" not in error


def test_words_that_choose_benchmarks_become_a_sentences() -> None:
    asked = Evaluate(benchmark="pope,mm_vet", judge="openai")
    assert choose_benchmarks(asked, ["judge.model=x"]) == [
        "evaluation=chosen",
        "+benchmark@evaluation.benchmarks.pope=pope",
        "+benchmark@evaluation.benchmarks.mm_vet=mm_vet",
        "judge@evaluation.benchmarks.mm_vet.judge=openai",
        "evaluation.benchmarks.mm_vet.judge.model=x",
    ]
