"""MathVista: mathematics in pictures (Lu et al. 2023, arXiv:2310.02255)."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vlm.benchmark.folder import FolderBenchmark
from vlm.benchmark.letters import leading_letter
from vlm.benchmark.prompt import with_pictures
from vlm.benchmark.question import Mark, Question

HINTS = {
    "text": "Please answer the question and provide the correct option letter, e.g., A, B, C, D, at the end.",
    "integer": "Please answer the question requiring an integer answer and provide the final value,"
    " e.g., 1, 2, 3, at the end.",
    "float 1": "Please answer the question requiring a floating-point number with one decimal place and"
    " provide the final value, e.g., 1.2, 1.3, 1.4, at the end.",
    "float 2": "Please answer the question requiring a floating-point number with two decimal places and"
    " provide the final value, e.g., 1.23, 1.34, 1.45, at the end.",
    "list": "Please answer the question requiring a Python list as an answer and provide the final list,"
    " e.g., [1, 2, 3], [1.2, 1.3, 1.4], at the end.",
}
"""What a kind of answer is asked for with."""


class MathVista(FolderBenchmark):
    """The test mini, asked with MathVista's queries and scored by its `calculate_score.py`.

    Reads `testmini.json` and `images/`. The query is the one that the file has, else one of the same form:
    hint, question, options.

    An answer is extracted by rule: the words of an option; a number, where one is asked for; what stands
    in `The answer is "...".` The official tool lets GPT-4 extract the rest; here, that is unreadable and
    wrong, so who reasons before answering scores less than officially. An extracted text that is neither a
    letter nor an option counts as the option that is nearest by edit distance.

    Args:
        folder: Where they are.
        max_new_tokens: An answer is cut there.
        read_plain: Read an answer that opens with an option's letter, or is a list where one is asked for,
            as that. Officially, GPT-4 does it.
        strict: An empty answer is wrong. False is the official rule, by which no text is nearest to the
            shortest option.
    """

    published = "https://huggingface.co/datasets/AI4Math/MathVista"

    def __init__(self, folder: str, max_new_tokens: int, read_plain: bool, strict: bool) -> None:
        super().__init__(folder, max_new_tokens)
        self.read_plain = read_plain
        self.strict = strict

    def files(self) -> list[Path]:
        """The questions."""
        return [self.find("testmini.json", "data/testmini.json")]

    def questions(self) -> list[Question]:
        """Return them in the order of the file."""
        (path,) = self.files()
        questions = []
        for key, record in self.read_json(path).items():
            if answer_form(record) not in HINTS:
                raise ValueError(
                    f"{path}: question {key} asks for {answer_form(record)!r}, not for {', '.join(HINTS)};"
                    f" get it from {self.published}"
                )
            text = with_pictures(record.get("query") or query(record))
            picture = self.picture(record["image"], f"data/{record['image']}")
            choices = tuple(record["choices"] or ())
            answer = {
                "text": record["answer"],
                "type": record["answer_type"],
                "precision": int(record["precision"] or 0),
            }
            kind = record["metadata"]["task"]
            questions.append(Question(key, kind, text, (picture,), answer, choices))
        return questions

    def mark(self, question: Question, answer: str) -> Mark:
        """Extract an answer, bring it into the form of the right one, and compare to the character."""
        extraction = self._extract(question, answer)
        if extraction is None:
            return Mark(0.0, None)
        form = question.answer["type"]
        said = (
            chosen(extraction, question.choices)
            if question.choices
            else as_number(extraction, form, question.answer["precision"])
        )
        return Mark(float(said == question.answer["text"]), said if answer else None)

    def _extract(self, question: Question, answer: str) -> str | None:
        """Return what an answer says in the end, if a rule finds it."""
        choices, form = question.choices, question.answer["type"]
        if answer in choices or (answer == "" and not self.strict):
            return answer
        if form in ("integer", "float"):
            try:
                return str(int(answer)) if form == "integer" else str(float(answer))
            except ValueError:
                pass
        said = re.search(r'The answer is "(.*)"\.', answer)
        if said:
            return said.group(1)
        if self.read_plain and choices:
            return leading_letter(answer, len(choices))
        is_list = form == "list" and re.fullmatch(r"\s*\[.*\]\s*", answer)
        return answer.strip() if self.read_plain and is_list else None

    def right_answer(self, question: Question) -> str:
        """Return it in the words that are read by rule."""
        said = question.answer["text"]
        if question.choices:
            said = chr(ord("A") + question.choices.index(said))
        return f'The answer is "{said}".'


def answer_form(record: Mapping[str, Any]) -> str:
    """Return the key of a question's hint."""
    form = str(record["answer_type"])
    return f"{form} {int(record['precision'] or 0)}" if form == "float" else form


def query(record: Mapping[str, Any]) -> str:
    """Return a question in the form of the published queries, which have the hint first."""
    unit = f" (Unit: {record['unit']})" if record["unit"] else ""
    lines = [f"Hint: {HINTS[answer_form(record)]}", f"Question: {record['question']}{unit}"]
    if record["choices"]:
        lines.append("Choices:")
        lines += [f"({chr(ord('A') + place)}) {choice}" for place, choice in enumerate(record["choices"])]
    return "\n".join(lines)


def chosen(extraction: str, choices: Sequence[str]) -> str:
    """Return the option that an extracted text means: by the first letter in brackets, a letter, or nearness.

    So `f(x)` means option X, or what is nearest to `X`.
    """
    extraction = extraction.strip()
    bracketed = re.search(r"\(([a-zA-Z])\)", extraction)
    if bracketed:
        extraction = bracketed.group(1).upper()
    letters = [chr(ord("A") + place) for place in range(len(choices))]
    if extraction in letters:
        return choices[letters.index(extraction)]
    return min(choices, key=lambda choice: edit_distance(extraction, choice))


def as_number(extraction: str, form: str, precision: int) -> str | None:
    """Return an extracted text as right answers are written, a list as it is; None if it is no number."""
    if form == "list":
        return extraction
    try:
        number = float(extraction)
        return str(int(number)) if form == "integer" else str(round(number, precision))
    except (ValueError, OverflowError):  # an infinite one is no integer
        return None


def edit_distance(one: str, other: str) -> int:
    """Return how many characters must be put in, taken out or exchanged (Levenshtein)."""
    row = list(range(len(other) + 1))
    for place, character in enumerate(one, 1):
        diagonal, row[0] = row[0], place
        for column, compared in enumerate(other, 1):
            exchanged = diagonal + (character != compared)
            diagonal = row[column]
            row[column] = min(exchanged, row[column] + 1, row[column - 1] + 1)
    return row[-1]
