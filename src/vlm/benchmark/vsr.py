"""VSR: is a statement about where things are true? (Liu, Emerson and Collier 2023, arXiv:2205.00363)."""

from collections.abc import Sequence
from pathlib import Path

from vlm.benchmark.question import Question
from vlm.benchmark.statement import StatementBenchmark


class VSR(StatementBenchmark):
    """A caption about two things in a photo of COCO; kinds are the spatial relations.

    Args:
        folder: Where its files are.
        max_new_tokens: An answer is cut there.
        questions: The file of captions and labels within the folder, one in each line; `test.jsonl` of
            the random and of the zero-shot split are different files.
        pictures: Folders within the folder, each of which may have a photo.
    """

    published = "https://github.com/cambridgeltl/visual-spatial-reasoning"

    def __init__(self, folder: str, max_new_tokens: int, questions: str, pictures: Sequence[str]) -> None:
        super().__init__(folder, max_new_tokens)
        self.file, self.pictures = questions, list(pictures)

    def files(self) -> list[Path]:
        """The captions with their labels."""
        return [self.find(self.file)]

    def questions(self) -> list[Question]:
        """Return them in the order of the file, whose lines number them, from 0."""
        (path,) = self.files()
        questions = []
        for number, line in enumerate(self.read_lines(path)):
            absent = [name for name in ("image", "caption", "label", "relation") if name not in line]
            if absent:
                raise ValueError(
                    f"{path}: statement {number} has no {absent[0]}; get it again from {self.published}"
                )
            image = line["image"]
            picture = self.picture(*(f"{folder}/{image}" for folder in self.pictures), image)
            answer = {"1": "yes", "0": "no"}.get(str(line["label"]))
            prompt = self.prompt(line["caption"])
            questions.append(Question(str(number), line["relation"], prompt, (picture,), answer))
        return questions

    def write_upload(self, questions: Sequence[Question], answers: Sequence[str], folder: Path) -> Path:
        """Write what the authors' analysis scripts read: 1 or 0 a line, and -1 for what says nothing."""
        numbers = {"yes": "1\n", "no": "0\n", None: "-1\n"}
        path = folder / "preds.txt"
        said = [self.mark(*pair).parsed for pair in zip(questions, answers, strict=True)]
        path.write_text("".join(numbers[word] for word in said), "utf-8")
        return path
