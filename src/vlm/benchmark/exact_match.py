"""Short answers that are either right or wrong."""

from collections.abc import Sequence

from vlm.benchmark.base import Benchmark, Question
from vlm.data.locate import find_shards
from vlm.data.shards import ShardSource


class ExactMatch(Benchmark):
    """Questions in shards of single-turn LLaVA records, keyed `kind-number`; kinds group scores.

    Args:
        shards: Glob or globs of tar files.
        max_new_tokens: An answer is cut there.
    """

    def __init__(self, shards: str | Sequence[str], max_new_tokens: int) -> None:
        super().__init__(max_new_tokens)
        self.shards = find_shards("benchmark.shards", shards)

    def questions(self) -> list[Question]:
        """Return all questions, in the shards' order."""
        source = ShardSource("benchmark", self.shards)
        questions = []
        for number in range(len(source)):
            sample = source[number]
            if len(sample.turns) != 2:
                raise ValueError(f"benchmark sample {sample.key} must have one question and one answer")
            ask, answer = sample.turns
            kind = sample.key.split("-")[0]
            questions.append(Question(sample.key, kind, ask.text, sample.images, answer.text))
        return questions

    def is_right(self, question: Question, answer: str) -> bool:
        """Compare without regard to case, outer space and a final period."""
        return _normalise(answer) == _normalise(question.answer)


def _normalise(text: str) -> str:
    return text.strip().rstrip(".").lower()
