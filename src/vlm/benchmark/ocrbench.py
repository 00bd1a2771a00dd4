"""OCRBench: reading in pictures (Liu et al. 2023, arXiv:2305.07895)."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from vlm.benchmark.folder import FolderBenchmark
from vlm.benchmark.prompt import SHORT, with_pictures
from vlm.benchmark.question import Mark, Question
from vlm.benchmark.tally import Column, ratio

RECOGNITION = (
    "Regular Text Recognition",
    "Irregular Text Recognition",
    "Artistic Text Recognition",
    "Handwriting Recognition",
    "Digit String Recognition",
    "Non-Semantic Text Recognition",
)
"""The kinds that its authors sum up as text recognition."""
FORMULAS = "HME100k"


class OCRBench(FolderBenchmark):
    """Version 1: an answer is right if a right one stands anywhere in it.

    Reads `OCRBench.json` and the pictures in `OCRBench_Images/`.

    Case does not matter and line breaks are spaces; but in formulas, those of HME100k, case does matter and
    neither spaces nor line breaks do. `score` is what is published: right answers out of 1000.

    Args:
        folder: Where the files are.
        max_new_tokens: An answer is cut there.
        short: Ask for a single word or phrase, as its authors ask LLaVA-1.5; False asks nothing but the
            question, as lmms-eval and VLMEvalKit do, and long answers have more chances to hold a right one.
    """

    headline = "score"
    published = "https://github.com/Yuliang-Liu/MultimodalOCR"

    def __init__(self, folder: str, max_new_tokens: int, short: bool) -> None:
        super().__init__(folder, max_new_tokens)
        self.short = short

    def files(self) -> list[Path]:
        """The questions with their answers."""
        return [self.find("OCRBench.json", "OCRBench/OCRBench.json")]

    def questions(self) -> list[Question]:
        """Return them in the order of their file; a number counts within its data set only."""
        questions = []
        for record in self.read_json(self.files()[0]):
            path, right = record["image_path"], record["answers"]
            picture = self.picture(f"OCRBench_Images/{path}", path)
            asked = f"{record['question']}\n{SHORT}" if self.short else record["question"]
            questions.append(
                Question(
                    f"{record['dataset_name']}/{record['id']}",
                    record["type"],
                    with_pictures(asked),
                    (picture,),
                    [right] if isinstance(right, str) else list(right),
                    images=path,  # file names repeat among data sets
                )
            )
        return questions

    def mark(self, question: Question, answer: str) -> Mark:
        """Look for each right answer within the given one."""
        read = _formula if question.key.split("/")[0] == FORMULAS else _words
        said = read(answer)
        return Mark(float(any(read(right) in said for right in question.answer)), said or None)

    def right_answer(self, question: Question) -> str:
        """Return the first of its answers."""
        return str(question.answer[0])

    def metrics(self, sums: Mapping[str, Column]) -> dict[str, Column]:
        """Return `score`, accuracy, also of each type, and of the types of text recognition together."""
        found = super().metrics(sums)
        kinds = [kind for kind in RECOGNITION if f"count/{kind}" in sums]
        if kinds:
            read = np.sum([sums[f"score/{kind}"] for kind in kinds], axis=0)
            asked = np.sum([sums[f"count/{kind}"] for kind in kinds], axis=0)
            found["accuracy/Text Recognition"] = ratio(read, asked)
        return {"score": 1000 * found["accuracy"]} | found


def _words(text: str) -> str:
    return text.lower().strip().replace("\n", " ")


def _formula(text: str) -> str:
    return text.strip().replace("\n", " ").replace(" ", "")
