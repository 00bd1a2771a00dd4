"""Evidence becomes the score that was kept, by the benchmark's own rule where it can be had."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.study.made_up import MadeUp
from vlm.benchmark.evaluate import SEEN, prediction_rows
from vlm.benchmark.judged import JudgedMark
from vlm.benchmark.mme import MME
from vlm.benchmark.question import Question
from vlm.benchmark.score import score
from vlm.study.comparison.answered import Answered, Scorers, _marks, _tallied, find_run, read_answered
from vlm.study.outcome import Outcome


@pytest.fixture
def made(tmp_path: Path) -> MadeUp:
    return MadeUp(tmp_path)


@pytest.fixture
def cell(made: MadeUp) -> Outcome:
    return made.add(["projector=linear"], 0.7, 1)


def read(made: MadeUp, cell: Outcome) -> Answered:
    found = read_answered(made.sweep, cell, Scorers([cell]))["pope"]
    assert isinstance(found, Answered)
    return found


def test_a_headline_that_is_no_mean_comes_back(made: MadeUp, cell: Outcome) -> None:
    found = read(made, cell)
    assert found.counts
    assert found.metric
    assert found.headline == "f1"
    assert found.counts.value(found.metric) == pytest.approx(cell.metrics["benchmark/pope/f1"], abs=1e-12)
    assert not found.is_mean
    assert not found.is_binary
    assert len(found.counts.clusters) == 60
    assert found.scores.mean() == pytest.approx(cell.metrics["benchmark/pope/accuracy"])


def test_a_benchmark_of_other_settings_leaves_the_mean_score(made: MadeUp, cell: Outcome) -> None:
    cell.overrides.append("evaluation.benchmarks.pope.strict=true")
    found = read(made, cell)
    assert found.counts is None
    assert "evaluation.benchmarks.pope is not set as it was" in found.why_not
    assert np.isclose(found.scores.mean(), cell.metrics["benchmark/pope/accuracy"])


def test_words_that_compose_no_more_leave_it_too(made: MadeUp, cell: Outcome) -> None:
    cell.overrides.append("projector=renamed")
    assert "cannot be composed any more" in read(made, cell).why_not
    other = made.add(["projector=mlp2"], 0.7, 1)
    found = read_answered(made.sweep, cell, Scorers([cell, other]))["pope"]
    assert isinstance(found, Answered)
    assert found.counts  # another cell says the same of the benchmark


def test_evidence_that_gives_another_score_is_not_believed(made: MadeUp, cell: Outcome) -> None:
    path = Path(cell.run_folders[-1]) / cell.evaluations["pope"]
    evidence = path.with_suffix(".predictions.jsonl")
    rows = [json.loads(line) for line in evidence.read_text().splitlines()]
    rows[0]["parsed"] = "no" if rows[0]["parsed"] == "yes" else "yes"
    evidence.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert "its evidence gives f1" in read(made, cell).why_not


def test_what_is_missing_is_said(made: MadeUp, cell: Outcome) -> None:
    path = Path(cell.run_folders[-1]) / cell.evaluations["pope"]
    path.with_suffix(".predictions.jsonl").unlink()
    assert "predictions.jsonl is not there" in str(read_answered(made.sweep, cell, Scorers([cell]))["pope"])
    cell.evaluations = {}
    assert "no evidence is named" in str(read_answered(made.sweep, cell, Scorers([cell]))["pope"])


def test_runs_that_have_been_moved_are_found_beside_their_sweep(tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere/instruct-1"
    moved.mkdir(parents=True)
    assert find_run(tmp_path / "elsewhere/sweeps/x", "runs/instruct-1") == moved


def test_marks_keep_what_their_scorer_gave_them() -> None:
    judged = JudgedMark(score=0.5, parsed="0.5", evidence="well", counted=False)
    row = {"key": "1", "answer": "a", "blind_prediction": "", **vars(judged)}
    [mark] = _marks([row])
    assert vars(mark) == vars(judged)


def test_points_of_questions_that_are_right_together_come_back() -> None:
    """MME's points need to know which two questions are about one picture."""
    benchmark = MME("nowhere", 16)
    questions = [
        Question(f"{group}-{n}", "count", "", (), answer, group=f"count/{group}", images=f"count/{group}")
        for group in range(20)
        for n, answer in enumerate(("yes", "no"))
    ]
    said = {question.key: "Yes" if n % 3 else "No" for n, question in enumerate(questions)}
    found, marks = score(benchmark, questions, said, resamples=10, seed=0)
    rows = json.loads(json.dumps(prediction_rows(questions, {SEEN: said}, marks)))
    counts, metric = _tallied(benchmark, rows, "perception", found.metrics["perception"])
    assert counts.value(metric) == pytest.approx(found.metrics["perception"])
    assert len(counts.clusters) == 20
    for row in rows:
        del row["group"]
    with pytest.raises(ValueError, match="its evidence gives perception"):
        _tallied(benchmark, rows, "perception", found.metrics["perception"])
