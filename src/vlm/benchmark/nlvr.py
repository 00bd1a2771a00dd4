"""NLVR: is a sentence true of a drawing of coloured shapes? (Suhr et al. 2017, ACL, P17-2034)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from vlm.benchmark.groups import tally_groups
from vlm.benchmark.question import Mark, Question
from vlm.benchmark.statement import StatementBenchmark
from vlm.benchmark.tally import Column, Tally, means

ORDERS = 6
"""A drawing has three boxes, and is drawn once with them in each order."""


class NLVR(StatementBenchmark):
    """A sentence and a drawing, in six orders of its boxes, each of which is a question.

    `accuracy` (its authors' script calls it precision) is over all questions. `consistency` is the share of
    sentences of which every question is right: all six orders of all drawings, up to four, that were shown
    together when the sentence was written, which share the first number of their identifiers.

    Reads `{split}/{split}.json`, an example in each line, and the pictures
    `{split}/images/{directory}/{split}-{identifier}-{order}.png`.

    Args:
        folder: Where they are.
        max_new_tokens: An answer is cut there.
        split: `test` (the public one), `dev` or `train`.
    """

    published = "https://github.com/lil-lab/nlvr"

    def __init__(self, folder: str, max_new_tokens: int, split: str) -> None:
        super().__init__(folder, max_new_tokens)
        self.split = split

    def files(self) -> list[Path]:
        """The split's sentences with their labels."""
        return [self.find(f"{self.split}/{self.split}.json", f"{self.split}.json")]

    def questions(self) -> list[Question]:
        """Return them in the order of the file, the six orders of a drawing together."""
        (path,) = self.files()
        questions = []
        for number, line in enumerate(self.read_lines(path), 1):
            absent = [name for name in ("identifier", "sentence", "directory") if name not in line]
            if absent:
                raise ValueError(
                    f"{path}: example {number} has no {absent[0]}; get it again from {self.published}"
                )
            for order in range(ORDERS):
                key = f"{self.split}-{line['identifier']}-{order}"
                place = f"images/{line['directory']}/{key}.png"
                picture = self.picture(f"{self.split}/{place}", place)
                sentence = str(line["identifier"]).split("-")[0]
                questions.append(
                    Question(
                        key, "", self.prompt(line["sentence"]), (picture,), _label(line.get("label")),
                        group=sentence, images=sentence,
                    )
                )  # fmt: skip
        return questions

    def tally(self, questions: Sequence[Question], marks: Sequence[Mark]) -> Tally:
        """Return what is summed; units are sentences."""
        return tally_groups(questions, marks)

    def metrics(self, sums: Mapping[str, Column]) -> dict[str, Column]:
        """Return accuracy and consistency."""
        return means(sums, "score", "count", "accuracy") | means(sums, "whole", "groups", "consistency")

    def write_upload(self, questions: Sequence[Question], answers: Sequence[str], folder: Path) -> Path:
        """Write the CSV that the authors' `metrics_images.py` reads; what says nothing is left empty."""
        words = {"yes": "true", "no": "false", None: ""}
        rows = [
            f"{question.key}.png,{words[self.mark(question, answer).parsed]}\n"
            for question, answer in zip(questions, answers, strict=True)
        ]
        path = folder / "predictions.csv"
        path.write_text("".join(rows), "utf-8")
        return path


def _label(label: object) -> str | None:
    return {"true": "yes", "false": "no"}.get(str(label).lower())
