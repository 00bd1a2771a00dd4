"""MM-Vet: open answers that need several capabilities at once (Yu et al. 2023, arXiv:2308.02490)."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np

from vlm.benchmark.judged import JudgedBenchmark, JudgedMark
from vlm.benchmark.prompt import with_pictures
from vlm.benchmark.question import Mark, Question
from vlm.benchmark.tally import Column, Tally, by_kind, means, ratio, total
from vlm.endpoint.request import Messages
from vlm.judge.base import Judge

CAPABILITIES = ("rec", "ocr", "know", "gen", "spat", "math")
"""To recognise, read, know, write, place, reckon."""

PROMPT = """\
Grade what an AI model predicted by holding it against the ground truth. Where parts of the ground truth are \
joined by <AND>, a prediction is wholly right only if it has all of them; where they are joined by <OR>, any \
one of them makes it wholly right. The grade is 0.0 (wholly wrong), 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, \
0.9, or 1.0 (wholly right). Fill the last cell of the last row with the grade, and write nothing else.

Question | Ground truth | Prediction | Correctness
--- | --- | --- | ---
Which numbers do the dice show? | 2 <AND> 6 | They show 1 and 4. | 0.0
Which numbers do the dice show? | 2 <AND> 6 | The left one shows 2. | 0.5
Which numbers do the dice show? | 2 <AND> 6 | 6 and 3 | 0.5
Which numbers do the dice show? | 2 <AND> 6 | A six and a two. | 1.0
What is the share of the red part? | 25% <OR> 0.25 <OR> 1/4 | It is a quarter, 1/4. | 1.0
Why is this drawing funny? | A cat sits at a desk and tells a man who brings coffee that he is late. Their \
roles are swapped: the pet is the boss and its owner the servant. | A cat sits at a desk, and cats do not \
work in offices. | 0.4
Why is this drawing funny? | A cat sits at a desk and tells a man who brings coffee that he is late. Their \
roles are swapped: the pet is the boss and its owner the servant. | The usual order is turned round: the cat \
behaves as an employer and scolds the man, who fetches its coffee, for coming late. | 1.0
"""

AGAIN = "\nThe grade, as a number from 0.0 to 1.0: "
"""Follows the table when a first reply held no grade."""


class MMVet(JudgedBenchmark):
    """Plain questions; a judge completes a table whose last cell is the grade, from 0 to 1.

    Reads `mm-vet.json` and `images/`. `total` is the mean grade, `capability/<name>` that of the questions
    that need it among others, `combination/<names>` that of the questions that need exactly these.

    The authors grade with gpt-4-0613 at temperature 0; a reply without a grade is asked for again, up to four
    times with rising temperature, and then is 0. Here it is asked for once more, and then left out.

    Args:
        folder: Where they are.
        max_new_tokens: An answer is cut there.
        judge: Who grades.
        grades: The file that the authors' tool leaves, with one or several grades each; None asks the judge.
        prompt: A file whose text stands in place of the table and its examples, such as the authors' own.
        legacy: Whether a grade that cannot be read is 0 and enters the means.
    """

    headline = "total"
    published = "https://github.com/yuweihao/MM-Vet (mm-vet.zip)"
    given_key = "grades"

    def __init__(
        self,
        folder: str,
        max_new_tokens: int,
        judge: Judge | None,
        grades: str | None,
        prompt: str | None,
        legacy: bool,
    ) -> None:
        super().__init__(folder, max_new_tokens, judge, grades, legacy)
        self.prompt = prompt

    def files(self) -> list[Path]:
        """The questions with their answers."""
        return [self.find("mm-vet.json")]

    def content(self) -> str:
        """Return a hash of the files, and of the table that the judge is given."""
        return hashlib.sha256((super().content() + self._table()).encode()).hexdigest()

    def questions(self) -> list[Question]:
        """Return them in the order of the file."""
        (path,) = self.files()
        try:
            return [
                Question(
                    key,
                    "+".join(sorted(record["capability"])),
                    with_pictures(record["question"]),
                    (self.picture(f"images/{record['imagename']}", record["imagename"]),),
                    record["answer"],
                )
                for key, record in self.read_json(path).items()
            ]
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path} has another form ({error!r}); get it again from {self.published}"
            ) from error

    def key_of(self, question_id: str, prompt: str | None) -> str:
        """LLaVA's files number the questions; the authors' keys have `v1_` before the number."""
        return f"v1_{question_id}" if question_id.isdecimal() else question_id

    def mark_all(self, questions: Sequence[Question], answers: Sequence[str]) -> list[Mark]:
        """Have them graded; those whose grade cannot be read, once more."""
        if self.given is not None:
            self.hold_to_one_model(questions, answers)
            return self._marks_given(questions)
        rows = [self.row(question, answer) for question, answer in zip(questions, answers, strict=True)]
        said = self.ask_judge([_message(row) for row in rows])
        again = [number for number, text in enumerate(said) if text and read_grade(text) is None]
        if again:
            retold = self.ask_judge([_message(rows[number] + AGAIN) for number in again])
            said = said[:]
            for number, text in zip(again, retold, strict=True):
                said[number] = text or said[number]
        return [self._mark(text) for text in said]

    def row(self, question: Question, answer: str) -> str:
        """Return the table with a last row that lacks its last cell."""
        truth = str(question.answer).replace("<AND>", " <AND> ").replace("<OR>", " <OR> ")
        asked = question.text.removeprefix(with_pictures(""))
        return f"{self._table()}\n" + " | ".join([asked, truth, answer, ""])

    def _table(self) -> str:
        if self.prompt is None:
            return PROMPT
        try:
            return Path(self.prompt).read_text("utf-8")
        except OSError as error:
            raise ValueError(
                f"prompt={self.prompt} cannot be read; name a file, or say prompt=null"
            ) from error

    def _mark(self, said: str) -> JudgedMark:
        grade = read_grade(said)
        if grade is None:
            return JudgedMark(0.0, None, said, counted=self.legacy and bool(said))
        return JudgedMark(grade, str(grade), said, counted=True)

    def _marks_given(self, questions: Sequence[Question]) -> list[Mark]:
        """Return the mean grade of each question's runs."""
        path = self.given_file()
        grades = self.read_json(path)
        marks: list[Mark] = []
        for question in questions:
            try:
                scores = [float(score) for score in grades[question.key]["score"]]
                said = "\n".join(map(str, grades[question.key].get("content", [])))
                grade = sum(scores) / len(scores)
            except (LookupError, AttributeError, TypeError, ValueError, ZeroDivisionError) as error:
                raise ValueError(
                    f"{path} has no grade of {question.key}; give the file that MM-Vet's evaluator leaves "
                    "for all questions"
                ) from error
            marks.append(JudgedMark(grade, str(grade), said, counted=True))
        return marks

    def tally(self, questions: Sequence[Question], marks: Sequence[Mark]) -> Tally:
        """Return grades and their number, by exact combination and by capability."""
        kinds = [question.kind for question in questions]
        counted = np.array([float(mark.counted) for mark in cast("Sequence[JudgedMark]", marks)])
        score = np.array([mark.score for mark in marks]) * counted
        columns = by_kind("score", kinds, score) | by_kind("count", kinds, counted)
        for name in CAPABILITIES:
            needed = np.array([float(name in kind.split("+")) for kind in kinds])
            columns |= {f"score_of/{name}": score * needed, f"count_of/{name}": counted * needed}
        columns["unreadable"] = np.array([float(mark.parsed is None) for mark in marks])
        columns["asked"] = np.ones(len(marks))
        return Tally([question.cluster for question in questions], columns)

    def metrics(self, sums: Mapping[str, Column]) -> dict[str, Column]:
        """Return mean grades, and the share of questions without one."""
        found = {"total": ratio(total(sums, "score"), total(sums, "count"))}
        for name in CAPABILITIES:
            found[f"capability/{name}"] = ratio(sums[f"score_of/{name}"], sums[f"count_of/{name}"])
        exact = means(sums, "score", "count", "combination")
        found |= {name: column for name, column in exact.items() if name != "combination"}
        return found | {"unreadable": ratio(sums["unreadable"], sums["asked"])}

    def right_answer(self, question: Question) -> str:
        """Return the first of the alternatives, with all of its parts."""
        return str(question.answer).split("<OR>")[0].replace("<AND>", " and ")

    def write_upload(self, questions: Sequence[Question], answers: Sequence[str], folder: Path) -> Path:
        """Write the answers by key, as the authors' evaluator and its web page read them."""
        path = folder / "mm_vet.json"
        said = {question.key: answer for question, answer in zip(questions, answers, strict=True)}
        path.write_text(json.dumps(said, indent=4, ensure_ascii=False), "utf-8")
        return path


def read_grade(said: str) -> float | None:
    """Return the grade that the first word is; None if it is none."""
    try:
        grade = float((said.split() or [""])[0])
    except ValueError:
        return None
    return grade if math.isfinite(grade) and 0 <= grade <= 1 else None


def _message(text: str) -> Messages:
    return [{"role": "user", "content": text}]
