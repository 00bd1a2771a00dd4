"""Questions are all asked, each once; answers all scored; controls do not see."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import Compose
from vlm.benchmark.base import Benchmark
from vlm.benchmark.controls import majority_answers, with_others_pictures, without_pictures
from vlm.benchmark.evaluate import Evaluation, Protocol, choose, collect, prompt_hash, summarise
from vlm.benchmark.exact_match import ExactMatch
from vlm.benchmark.question import Mark, Picture, Question
from vlm.build_benchmarks import build_benchmarks
from vlm.data.sample import Prompt
from vlm.values import Control


class Colors(Benchmark):
    """The picture is the answer; each is asked about twice."""

    def content(self) -> str:
        return "colors"

    def questions(self) -> list[Question]:
        return [
            Question(
                str(number),
                "even" if number % 2 == 0 else "odd",
                "<image>\n" + "?" * (number % 5),
                (Picture(str(number // 2), lambda number=number: bytes([number // 2])),),  # type: ignore[misc]
                str(number // 2),
            )
            for number in range(20)
        ]

    def right_answer(self, question: Question) -> str:
        return str(question.answer)

    def mark(self, question: Question, answer: str) -> Mark:
        return Mark(float(answer == question.answer), answer or None)


class Model:
    """Says what it sees, halved if it is told to; counts what it was asked, and can be killed."""

    def __init__(self, divisor: int = 1, dies_after: int = 1000) -> None:
        self.divisor, self.dies_after, self.asked = divisor, dies_after, 0

    def __call__(self, batches: Iterable[Sequence[Prompt]]) -> Iterator[list[str]]:
        for prompts in batches:
            if self.asked >= self.dies_after:
                raise KeyboardInterrupt
            self.asked += len(prompts)
            yield [
                str(prompt.images[0][0] // self.divisor * self.divisor) if prompt.images else ""
                for prompt in prompts
            ]


def run(model: Model, folder: Path, batch_size: int = 3, number: int | None = None) -> Evaluation:
    return evaluate(Colors(1), model, Protocol(batch_size, list(Control), number, 200, 0), folder)


def evaluate(benchmark: Benchmark, model: Model, protocol: Protocol, folder: Path) -> Evaluation:
    return summarise(benchmark, collect(benchmark, model, protocol, folder, "colors"), protocol)


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_who_looks_is_right_and_blind_without_pictures(batch_size: int, tmp_path: Path) -> None:
    evaluation = run(Model(), tmp_path, batch_size)
    assert evaluation.metrics["accuracy"] == 1.0
    assert evaluation.metrics["blind"] == evaluation.metrics["shuffled"] == 0.0
    assert evaluation.metrics["majority"] == 0.1  # ten pictures, and one of them named everywhere
    assert [row["prediction"] for row in evaluation.predictions] == [str(n // 2) for n in range(20)]
    assert all(row["score"] == 1 and row["blind_prediction"] == "" for row in evaluation.predictions)
    assert all(row["shuffled_prediction"] != row["answer"] for row in evaluation.predictions)
    assert evaluation.score.counts == {
        "questions": 20, "answered": 20, "missing": 0, "duplicated": 0, "unparseable": 0,
    }  # fmt: skip
    assert evaluation.controls["blind"].counts["unparseable"] == 20


def test_scores_are_split_by_kind_and_have_intervals_over_pictures(tmp_path: Path) -> None:
    evaluation = run(Model(divisor=2), tmp_path)
    assert evaluation.metrics["accuracy"] == evaluation.metrics["accuracy/even"] == 0.5
    low, high = evaluation.score.intervals["accuracy"]
    assert (low, high) == (evaluation.metrics["accuracy_low"], evaluation.metrics["accuracy_high"])
    # Ten pictures, each all right or all wrong: the error of ten coins, not of twenty.
    assert 0.15 <= low <= 0.3
    assert 0.7 <= high <= 0.85


def test_a_killed_evaluation_goes_on_and_asks_nothing_twice(tmp_path: Path) -> None:
    first = Model(dies_after=9)
    with pytest.raises(KeyboardInterrupt):
        run(first, tmp_path)
    journal = next(tmp_path.glob("seen-0.jsonl"))
    with journal.open("a") as file:
        file.write('{"key": "3", "ans')  # what a kill leaves of a line
    second = Model()
    evaluation = run(second, tmp_path)
    assert evaluation.metrics["accuracy"] == 1.0
    assert first.asked == 9
    assert first.asked + second.asked == 20 + 20 + 20
    assert run(third := Model(), tmp_path).metrics == evaluation.metrics
    assert third.asked == 0


def test_a_few_questions_are_spread_over_all_and_are_among_those_of_all(tmp_path: Path) -> None:
    few = run(Model(), tmp_path, number=5)
    assert [question.key for question in few.questions] == ["0", "4", "8", "12", "16"]
    assert run(model := Model(), tmp_path).metrics["questions"] == 20
    assert model.asked == 60 - 5 - 5 - 5
    assert choose([], 3) == []
    assert len(choose(few.questions, 9)) == 5
    pairs = [replace(question, group=question.cluster) for question in Colors(1).questions()]
    assert [question.key for question in choose(pairs, 2)] == ["0", "1", "10", "11"]


def test_withheld_answers_are_asked_for_and_not_scored(tmp_path: Path) -> None:
    class Withheld(Colors):
        def questions(self) -> list[Question]:
            return [Question(str(n), "", "?", (), None) for n in range(4)]

    model = Model()
    evaluation = evaluate(Withheld(1), model, Protocol(2, list(Control), None, 10, 0), tmp_path)
    assert model.asked == 4
    assert evaluation.metrics["answered"] == 4
    assert "accuracy" not in evaluation.metrics
    assert not evaluation.controls
    assert [row["prediction"] for row in evaluation.predictions] == [""] * 4


def test_shuffling_gives_nobody_their_own_pictures_and_loses_none() -> None:
    questions = Colors(1).questions()
    text = Question("text", "", "?", (), "x")
    shuffled = with_others_pictures([*questions, text], seed=3)
    assert all(one.pictures != two.pictures for one, two in zip(questions, shuffled, strict=False))
    assert sorted(one.pictures[0].name for one in shuffled[:-1]) == sorted(
        one.pictures[0].name for one in questions
    )
    assert [one.cluster for one in shuffled] == [one.cluster for one in [*questions, text]]
    assert shuffled[-1] == Question("text", "", "?", (), "x", images="text")
    pairs = {(one.pictures, two.pictures) for one, two in zip(questions, shuffled, strict=False)}
    assert len(pairs) == 10  # who shared a picture still does


def test_taking_pictures_away_takes_their_places_too() -> None:
    [question] = without_pictures([Question("1", "", "<image>\nIs it? <image>", (), "x", images="one")])
    assert (question.text, question.pictures, question.cluster) == ("Is it?", (), "one")


def test_the_majority_answer_is_each_kinds_own() -> None:
    kinds = [("a", "red"), ("a", "red"), ("a", "blue"), ("b", "two")]
    questions = [Question(str(n), kind, "?", (), answer) for n, (kind, answer) in enumerate(kinds)]
    assert majority_answers(Colors(1), questions) == {"0": "red", "1": "red", "2": "red", "3": "two"}


def test_the_prompt_hash_is_of_what_is_asked() -> None:
    questions = Colors(1).questions()
    assert prompt_hash(questions) == prompt_hash(Colors(9).questions()) != prompt_hash(questions[1:])


@pytest.mark.parametrize(
    ("given", "right"), [("red", 1), (" Red. ", 1), ("RED", 1), ("dark red", 0), ("", 0)]
)
def test_exact_match_forgives_case_space_and_period(given: str, right: int, compose: Compose) -> None:
    benchmark = build_benchmarks(compose())["shapes"]
    assert benchmark.mark(Question("1", "x", "?", (), "red"), given).score == right


def test_the_shapes_benchmark_has_every_kind(compose: Compose) -> None:
    questions = build_benchmarks(compose())["shapes"].questions()
    assert {question.kind for question in questions} == {"attribute", "count", "relation", "exist", "ocr"}
    assert all(question.text.startswith("<image>\n") for question in questions)
    assert all(question.pictures[0].read()[:4] for question in questions)


def test_conversations_are_no_questions(compose: Compose) -> None:
    pattern = compose().mixture.conversation.shards
    with pytest.raises(ValueError, match="one question and one answer"):
        ExactMatch(pattern, 4).questions()
