"""ChartQA: questions about charts (Masry et al. 2022, arXiv:2203.10244)."""

from pathlib import Path

from vlm.benchmark.folder import FolderBenchmark
from vlm.benchmark.prompt import SHORT, with_pictures
from vlm.benchmark.question import Mark, Question

SPLITS = ("human", "augmented")
"""Written by people, and made from people's summaries by a model."""


class ChartQA(FolderBenchmark):
    """The test split, scored by relaxed accuracy: a number may be off by a twentieth, a word may not.

    Reads `test/test_human.json`, `test/test_augmented.json` and the charts in `test/png/`.

    Its authors published no scorer; this is the rule of Pix2Struct (Lee et al. 2023, arXiv:2210.03347), which
    others took over. Its oddities are kept: years are numbers, so 2010 is as good as 2014; `62%` is 0.62, so
    it is not 62; a label of 0 is compared as a word; and `Yes.` is not `Yes`.

    Args:
        folder: Where the files are.
        max_new_tokens: An answer is cut there.
        tolerance: How far a number may be off, as a share of the right one.
    """

    published = "https://github.com/vis-nlp/ChartQA"

    def __init__(self, folder: str, max_new_tokens: int, tolerance: int | float) -> None:
        super().__init__(folder, max_new_tokens)
        self.tolerance = tolerance

    def files(self) -> list[Path]:
        """The questions with their answers."""
        return [
            self.find(f"test/test_{split}.json", f"ChartQA Dataset/test/test_{split}.json")
            for split in SPLITS
        ]

    def questions(self) -> list[Question]:
        """Return people's questions, then a model's; they have no numbers but their places."""
        questions = []
        for split, path in zip(SPLITS, self.files(), strict=True):
            for place, record in enumerate(self.read_json(path)):
                image, text = record["imgname"], with_pictures(f"{record['query']}\n{SHORT}")
                picture = self.picture(f"test/png/{image}", f"ChartQA Dataset/test/png/{image}")
                label = str(record["label"])
                questions.append(Question(f"{split}/{place}", split, text, (picture,), label))
        return questions

    def mark(self, question: Question, answer: str) -> Mark:
        """Compare as numbers if both are and the label is not 0, and else as words in any case."""
        said = answer.strip()
        number, right = _number(said), _number(question.answer)
        if number is not None and right:
            return Mark(float(abs(number - right) / abs(right) <= self.tolerance), said)
        return Mark(float(said.lower() == question.answer.lower()), said or None)

    def right_answer(self, question: Question) -> str:
        """Return the label."""
        return str(question.answer)


def _number(text: str) -> float | None:
    """Return what Python reads as a number, a hundredth of it before a per cent sign."""
    try:
        return float(text.rstrip("%")) / 100 if text.endswith("%") else float(text)
    except ValueError:
        return None
