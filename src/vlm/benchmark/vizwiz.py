"""VizWiz: blind people's own pictures and questions (Gurari et al. 2018, arXiv:1802.08218)."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from vlm.benchmark.answer_text import m4c_form, soft_accuracy, tool_form
from vlm.benchmark.folder import FolderBenchmark
from vlm.benchmark.prompt import SHORT, with_pictures
from vlm.benchmark.question import Mark, Question
from vlm.benchmark.tally import Column, Tally, ratio

UNSURE = "When the provided information is insufficient, respond with 'Unanswerable'."
UNANSWERABLE = "unanswerable"


class VizWiz(FolderBenchmark):
    """What both splits share: LLaVA's way to the server of VizWiz, and what that server does.

    An answer is made into M4C's form, as LLaVA's script does before it uploads. VizWiz's tool then makes it
    into VQA's form and compares it with what ten people said as they wrote it, changing nothing there.

    Args:
        folder: Where the files are.
        max_new_tokens: An answer is cut there.
    """

    published = "https://vizwiz.org/tasks-and-datasets/vqa, and LLaVA's eval.zip for its questions"

    def mark(self, question: Question, answer: str) -> Mark:
        """Return the soft accuracy that the server would give."""
        given = tool_form(m4c_form(answer, fixed_periods=False))
        return Mark(soft_accuracy(given, question.answer["people"]), given or None)

    def right_answer(self, question: Question) -> str:
        """Return the answer of a person that is worth most; where people disagree, that may be below 1."""
        return max(question.answer["people"], key=lambda said: self.mark(question, said).score)

    def write_upload(self, questions: Sequence[Question], answers: Sequence[str], folder: Path) -> Path:
        """Write `vizwiz.json`: a picture's name and the answer, a row for each question."""
        rows = [
            {"image": question.pictures[0].name, "answer": m4c_form(answer, fixed_periods=False)}
            for question, answer in zip(questions, answers, strict=True)
        ]
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "vizwiz.json"
        path.write_text(json.dumps(rows), "utf-8")
        return path


class VizWizTest(VizWiz):
    """The split that LLaVA reports, whose answers only the server has.

    Reads `llava_test.jsonl` (LLaVA's questions) and the pictures in `test/`.
    """

    def files(self) -> list[Path]:
        """LLaVA's questions."""
        return [self.find("llava_test.jsonl")]

    def questions(self) -> list[Question]:
        """Return them in the order of LLaVA's file."""
        return [
            Question(
                str(line["question_id"]),
                "",
                with_pictures(line["text"]),
                (self.picture(f"test/{line['image']}", line["image"]),),
                None,
            )
            for line in self.read_lines(self.files()[0])
        ]


class VizWizVal(VizWiz):
    """The split whose answers are public, by type of answer: other, unanswerable, yes/no, number.

    Reads `val.json` and the pictures in `val/`. It also tells how well a model knows what cannot be answered:
    `unanswerable_f1`, VizWiz's second task, for which an answer of that word is a no. That task's other
    number, average precision, needs a probability, which an answer has not.
    """

    def files(self) -> list[Path]:
        """The questions with their answers."""
        return [self.find("val.json", "Annotations/val.json", "annotations/val.json")]

    def questions(self) -> list[Question]:
        """Return them in the order of their file."""
        questions = []
        for record in self.read_json(self.files()[0]):
            image = record["image"]
            picture = self.picture(f"val/{image}", image)
            text = with_pictures(f"{record['question']}\n{UNSURE}\n{SHORT}")
            said = [person["answer"] for person in record["answers"]]
            answer = {"people": said, "answerable": bool(record["answerable"])}
            questions.append(Question(image, record["answer_type"], text, (picture,), answer))
        return questions

    def tally(self, questions: Sequence[Question], marks: Sequence[Mark]) -> Tally:
        """Return the scores by type, and what was said to be unanswerable against what is."""
        table = super().tally(questions, marks)
        said = np.array([mark.parsed == UNANSWERABLE for mark in marks], dtype=bool)
        true = np.array([not question.answer["answerable"] for question in questions], dtype=bool)
        flags = {"said_unanswerable": said, "is_unanswerable": true, "found_unanswerable": said & true}
        columns = {name: flag.astype(np.float64) for name, flag in flags.items()}
        return Tally(table.clusters, {**table.columns, **columns})

    def metrics(self, sums: Mapping[str, Column]) -> dict[str, Column]:
        """Return accuracy, also of each type, and the F1 of what cannot be answered."""
        either = (sums["said_unanswerable"] + sums["is_unanswerable"]) / 2
        return super().metrics(sums) | {"unanswerable_f1": ratio(sums["found_unanswerable"], either)}
