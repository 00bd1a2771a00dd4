"""Short answers that are either right or wrong, in shards as training data is."""

from collections.abc import Sequence
from functools import partial
from hashlib import sha256

from vlm.benchmark.base import Benchmark
from vlm.benchmark.question import Mark, Picture, Question
from vlm.data.locate import content_hash, find_shards
from vlm.data.shards import ShardSource


class ExactMatch(Benchmark):
    """Single-turn LLaVA records, keyed `kind-number`; kinds group scores.

    Args:
        shards: Glob or globs of tar files.
        max_new_tokens: An answer is cut there.
        kinds: Of the questions that are asked; None asks all.
    """

    def __init__(
        self, shards: str | Sequence[str], max_new_tokens: int, kinds: Sequence[str] | None = None
    ) -> None:
        super().__init__(max_new_tokens)
        self.kinds = kinds
        self.shards = find_shards("benchmark.shards", shards)

    def content(self) -> str:
        """Return the hash of the shards."""
        return content_hash(self.shards)

    def questions(self) -> list[Question]:
        """Return the questions, in the shards' order.

        Raises:
            ValueError: A record is no question, or none is of the kinds.
        """
        source = ShardSource("benchmark", self.shards)
        questions = []
        for number in range(len(source)):
            sample = source[number]
            kind = sample.key.split("-")[0]
            if self.kinds is not None and kind not in self.kinds:
                continue
            if len(sample.turns) != 2:
                raise ValueError(f"benchmark sample {sample.key} must have one question and one answer")
            ask, answer = sample.turns
            pictures = [
                # Named by its content: several questions may show one picture.
                Picture(sha256(image).hexdigest()[:16], partial(_read_picture, source, number, place))
                for place, image in enumerate(sample.images)
            ]
            questions.append(Question(sample.key, kind, ask.text, tuple(pictures), answer.text))
        if not questions:
            raise ValueError(f"benchmark.kinds={list(self.kinds or ())} leaves no question; correct it")
        return questions

    def right_answer(self, question: Question) -> str:
        """Return it."""
        return str(question.answer)

    def mark(self, question: Question, answer: str) -> Mark:
        """Compare without regard to case, outer space and a final period."""
        said = _normalise(answer)
        return Mark(float(said == _normalise(question.answer)), said or None)


def _read_picture(source: ShardSource, number: int, place: int) -> bytes:
    return source[number].images[place]


def _normalise(text: str) -> str:
    return text.strip().rstrip(".").lower()
