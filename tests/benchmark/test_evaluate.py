"""Questions are all asked, answers all scored, and the blind control is blind."""

from collections.abc import Sequence

import pytest

from tests.conftest import Compose
from vlm.benchmark.base import Benchmark, Question
from vlm.benchmark.evaluate import evaluate, shuffle_images
from vlm.benchmark.exact_match import ExactMatch
from vlm.build import build_benchmarks


class Colors(Benchmark):
    """The picture is the answer."""

    def questions(self) -> list[Question]:
        return [
            Question(
                str(number),
                "even" if number % 2 == 0 else "odd",
                "?" * (number % 5),
                (bytes([number]),),
                str(number),
            )
            for number in range(20)
        ]

    def is_right(self, question: Question, answer: str) -> bool:
        return answer == question.answer


def look(questions: Sequence[tuple[str, Sequence[bytes]]], max_new_tokens: int) -> list[str]:
    return [str(images[0][0]) for _, images in questions]


def half(questions: Sequence[tuple[str, Sequence[bytes]]], max_new_tokens: int) -> list[str]:
    return [str(images[0][0] // 2 * 2) for _, images in questions]


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_who_looks_is_right_and_blind_without_the_right_pictures(batch_size: int) -> None:
    evaluation = evaluate(Colors(1), look, batch_size, seed=0)
    assert evaluation.scores["accuracy"] == 1.0
    assert evaluation.scores["blind_accuracy"] == 0.0
    assert [row["prediction"] for row in evaluation.predictions] == [str(number) for number in range(20)]
    assert all(row["right"] and row["blind_prediction"] != row["answer"] for row in evaluation.predictions)


def test_scores_are_split_by_kind() -> None:
    scores = evaluate(Colors(1), half, 7, seed=0).scores
    assert (scores["accuracy"], scores["accuracy/even"], scores["accuracy/odd"]) == (0.5, 1.0, 0.0)


def test_shuffling_gives_nobody_their_own_pictures_and_loses_none() -> None:
    questions = Colors(1).questions()
    shuffled = shuffle_images(questions, seed=3)
    assert all(one.images != two.images for one, two in zip(questions, shuffled, strict=True))
    assert sorted(one.images for one in shuffled) == sorted(one.images for one in questions)
    assert [one.key for one in shuffled] == [one.key for one in questions]


@pytest.mark.parametrize(
    ("given", "right"), [("red", True), (" Red. ", True), ("RED", True), ("dark red", False), ("", False)]
)
def test_exact_match_forgives_case_space_and_period(given: str, right: bool, compose: Compose) -> None:
    benchmark = build_benchmarks(compose())["shapes"]
    assert benchmark.is_right(Question("1", "x", "?", (), "red"), given) is right


def test_the_shapes_benchmark_has_every_kind(compose: Compose) -> None:
    questions = build_benchmarks(compose())["shapes"].questions()
    assert {question.kind for question in questions} == {"attribute", "count", "relation", "exist", "ocr"}
    assert all(question.text.startswith("<image>\n") and len(question.images) == 1 for question in questions)


def test_conversations_are_no_questions(compose: Compose) -> None:
    pattern = compose().mixture.conversation.shards
    with pytest.raises(ValueError, match="one question and one answer"):
        ExactMatch(pattern, 4).questions()
