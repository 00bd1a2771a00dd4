"""easy-VQA: questions about one colored shape (Zhou 2019, https://github.com/vzhou842/easy-VQA)."""

from pathlib import Path

from vlm.benchmark.folder import FolderBenchmark
from vlm.benchmark.prompt import SHORT, with_pictures
from vlm.benchmark.question import Mark, Question


class EasyVQA(FolderBenchmark):
    """The test split, by what is asked: `shape`, `color`, or `presence`, which is yes or no.

    Reads `test/questions.json`, `answers.txt` (all 13 answers) and the pictures in `test/images/`. Guessing
    without the picture gets about two thirds: most questions are about presence, and most of these are a no.

    Args:
        folder: Where the files are.
        max_new_tokens: An answer is cut there.
    """

    published = "https://github.com/vzhou842/easy-VQA"

    def files(self) -> list[Path]:
        """The questions with their answers, and all answers that there are."""
        return [self.find("test/questions.json"), self.find("answers.txt")]

    def questions(self) -> list[Question]:
        """Return them in the order of their file; a key is the picture's number and the question."""
        asked, possible = self.files()
        answers = tuple(possible.read_text("utf-8").split())
        questions = []
        for text, answer, image in self.read_json(asked):
            if answer not in answers:
                raise ValueError(f"{asked}: {answer!r} is not in {possible}; get both from {self.published}")
            picture = self.picture(f"test/images/{image}.png")
            prompt = with_pictures(f"{text}\n{SHORT}")
            questions.append(Question(f"{image}/{text}", _kind(text), prompt, (picture,), answer))
        return questions

    def mark(self, question: Question, answer: str) -> Mark:
        """Compare in lower case and without periods at the end."""
        said = answer.strip().rstrip(".").lower()
        return Mark(float(said == question.answer), said or None)

    def right_answer(self, question: Question) -> str:
        """Return the one answer."""
        return str(question.answer)


def _kind(text: str) -> str:
    if not text.startswith("what"):
        return "presence"
    return "color" if "color" in text else "shape"
