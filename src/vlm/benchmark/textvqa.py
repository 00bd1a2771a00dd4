"""TextVQA: questions about words in pictures (Singh et al. 2019, arXiv:1904.08920)."""

from pathlib import Path

from vlm.benchmark.answer_text import m4c_form, soft_accuracy
from vlm.benchmark.folder import FolderBenchmark
from vlm.benchmark.prompt import with_pictures
from vlm.benchmark.question import Mark, Question
from vlm.data.sample import IMAGE_PLACEHOLDER

OCR_LINE = "Reference OCR token:"


class TextVQA(FolderBenchmark):
    """The validation split, version 0.5.1, as LLaVA asks it and M4C's evaluator scores it.

    Reads `llava_textvqa_val_v051_ocr.jsonl` (LLaVA's questions, each with the words that an OCR system read),
    `TextVQA_0.5.1_val.json` (TextVQA's, with ten people's answers) and the pictures in `train_images/`.

    LLaVA numbers a question by its picture, and some pictures have several questions. So a key is TextVQA's
    own number, and an answer of LLaVA's file is found by `key_of`.

    Args:
        folder: Where the files are.
        max_new_tokens: An answer is cut there.
        ocr: Leave the line with the read words in the prompt. LLaVA does; without it, a model must read.
        fixed_periods: Mend the normaliser's periods (see `answer_text`); false is the official rule.
    """

    published = "https://textvqa.org/dataset, and LLaVA's eval.zip for its questions"

    def __init__(self, folder: str, max_new_tokens: int, ocr: bool, fixed_periods: bool) -> None:
        super().__init__(folder, max_new_tokens)
        self.ocr = ocr
        self.fixed_periods = fixed_periods
        self._keys: dict[tuple[str, str], str] = {}

    def files(self) -> list[Path]:
        """LLaVA's questions, and TextVQA's with their answers."""
        return [self.find("llava_textvqa_val_v051_ocr.jsonl"), self.find("TextVQA_0.5.1_val.json")]

    def questions(self) -> list[Question]:
        """Return them in the order of LLaVA's file."""
        asked, answered = self.files()
        records: dict[tuple[str, str], list[tuple[str, list[str]]]] = {}
        for record in self.read_json(answered)["data"]:
            key, pair = str(record["question_id"]), (record["image_id"], record["question"].lower())
            records.setdefault(pair, []).append((key, record["answers"]))
        questions = []
        for line in self.read_lines(asked):
            pair = (str(line["question_id"]), question_in(line["text"]))
            if not records.get(pair):
                raise ValueError(f"{answered} has no question like {pair}; get it and {asked} again")
            key, said = records[pair].pop(0)  # a pair that comes twice is two questions
            self._keys.setdefault(pair, key)
            picture = self.picture(f"train_images/{line['image']}", line["image"])
            questions.append(Question(key, "", with_pictures(self._prompt(line["text"])), (picture,), said))
        return questions

    def key_of(self, question_id: str, prompt: str | None) -> str:
        """Return the key of the question that LLaVA's id and its words name; other ids are keys already.

        Of questions that are the same words about the same picture, it is the first.
        """
        if not self._keys:
            self.questions()
        asked = (prompt or "").removeprefix(f"{IMAGE_PLACEHOLDER}\n")
        return self._keys.get((question_id, question_in(asked)), question_id)

    def mark(self, question: Question, answer: str) -> Mark:
        """Return M4C's soft accuracy."""
        said = m4c_form(answer, self.fixed_periods)
        people = [m4c_form(person, self.fixed_periods) for person in question.answer]
        return Mark(soft_accuracy(said, people), said or None)

    def right_answer(self, question: Question) -> str:
        """Return the answer of a person that is worth most; where people disagree, that may be below 1."""
        return max(question.answer, key=lambda said: self.mark(question, said).score)

    def _prompt(self, text: str) -> str:
        if self.ocr:
            return text
        return "\n".join(line for line in text.split("\n") if not line.startswith(OCR_LINE))


def question_in(prompt: str) -> str:
    """Return the question within a prompt, in lower case.

    Three forms are known: lines with the question first, such with the OCR line first, and one line
    `OCR tokens: ... Question: ... Short answer:` of other models.
    """
    if prompt.startswith("OCR tokens: "):
        return prompt.partition("Question: ")[2].partition(" Short answer:")[0].lower()
    lines = prompt.split("\n")
    return lines[1 if lines[0].startswith(OCR_LINE) and len(lines) > 1 else 0].lower()
