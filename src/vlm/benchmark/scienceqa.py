"""ScienceQA: school questions, half of them with a picture (Lu et al. 2022, arXiv:2209.09513)."""

from pathlib import Path

from vlm.benchmark.folder import FolderBenchmark
from vlm.benchmark.letters import SCIENCEQA_LETTERS, scienceqa_letter
from vlm.benchmark.prompt import LETTER, with_pictures
from vlm.benchmark.question import Mark, Picture, Question
from vlm.data.sample import IMAGE_PLACEHOLDER


class ScienceQA(FolderBenchmark):
    """LLaVA's test: `accuracy/image`, of the questions with a picture, is its SQA-I; `accuracy` is of all.

    Reads `llava_test_CQM-A.json` (LLaVA's questions, with the right letters), `pid_splits.json` (ScienceQA's
    splits) and `images/test/`. It is asked with `--single-pred-prompt`; a question without a picture is
    asked by text alone.

    Args:
        folder: Where they are.
        max_new_tokens: An answer is cut there.
    """

    headline = "accuracy/image"
    published = "https://scienceqa.github.io, and LLaVA's eval.zip for the questions"

    def files(self) -> list[Path]:
        """LLaVA's questions and the splits."""
        return [self.find("llava_test_CQM-A.json"), self.find("pid_splits.json")]

    def questions(self) -> list[Question]:
        """Return them in the order of LLaVA's file."""
        asked, splits = self.files()
        questions = []
        for record in self.read_json(asked):
            key, image = str(record["id"]), record.get("image")
            text, letter = (turn["value"] for turn in record["conversations"])
            text = text.replace(IMAGE_PLACEHOLDER, "").strip()
            choices = read_choices(text)
            if letter not in SCIENCEQA_LETTERS[: len(choices)]:
                raise ValueError(f"{asked}: question {key} has no option {letter!r}; get it again")
            prompt = with_pictures(f"{text}\n{LETTER}", int(image is not None))
            pictures = (self._picture(image),) if image else ()
            kind = "image" if image else "text"
            questions.append(Question(key, kind, prompt, pictures, letter, choices))
        missing = set(self.read_json(splits)["test"]) ^ {question.key for question in questions}
        if missing:
            raise ValueError(
                f"{asked} and the test split of {splits} differ in {len(missing)} questions, the first being"
                f" {min(missing)}; get both again from {self.published}"
            )
        return questions

    def mark(self, question: Question, answer: str) -> Mark:
        """Read a letter; one that the question lacks is wrong."""
        letter = scienceqa_letter(answer)
        return Mark(float(letter == question.answer), letter)

    def right_answer(self, question: Question) -> str:
        """Return the letter."""
        return str(question.answer)

    def _picture(self, image: str) -> Picture:
        """Return the picture by its number, too: each file is called image.png."""
        return Picture(image, lambda: self.find(f"images/test/{image}").read_bytes())


def read_choices(text: str) -> tuple[str, ...]:
    """Return the options that end a prompt; one may go on over several lines."""
    choices: list[str] = []
    for line in text[text.rfind("\nA. ") + 1 :].split("\n"):
        if len(choices) < len(SCIENCEQA_LETTERS) and line.startswith(f"{SCIENCEQA_LETTERS[len(choices)]}. "):
            choices.append(line[3:])
        elif choices:
            choices[-1] += f"\n{line}"
    return tuple(choices)
