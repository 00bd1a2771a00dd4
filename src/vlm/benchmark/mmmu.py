"""MMMU: college exams in thirty subjects, with several pictures (Yue et al. 2023, arXiv:2311.16502)."""

import ast
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from string import ascii_uppercase
from typing import Any

import pyarrow.parquet as pq  # type: ignore[import-untyped]

from vlm.benchmark.folder import FolderBenchmark
from vlm.benchmark.letters import last_letter
from vlm.benchmark.mmmu_open import is_among, read_open
from vlm.benchmark.nested import nested_means
from vlm.benchmark.prompt import LETTER, SHORT, with_pictures
from vlm.benchmark.question import Mark, Picture, Question
from vlm.benchmark.tally import Column
from vlm.data.sample import IMAGE_PLACEHOLDER

DISCIPLINES = {
    "Art and Design": "Art Art_Theory Design Music",
    "Business": "Accounting Economics Finance Manage Marketing",
    "Science": "Biology Chemistry Geography Math Physics",
    "Health and Medicine": "Basic_Medical_Science Clinical_Medicine Diagnostics_and_Laboratory_Medicine"
    " Pharmacy Public_Health",
    "Humanities and Social Science": "History Literature Sociology Psychology",
    "Tech and Engineering": "Agriculture Architecture_and_Engineering Computer_Science Electronics"
    " Energy_and_Power Materials Mechanical_Engineering",
}
NUM_PICTURES = 7
"""Columns of a question's pictures, `image_1` to `image_7`."""
TEXTS = ["id", "question", "options", "answer", "question_type"]


class MMMU(FolderBenchmark):
    """MMMU's rules, and its prompts for LLaVA: options as `(A) red`, pictures first, `<image 1>` in the text.

    MMMU's own runner of LLaVA gives one picture only, and none where several are among the options; here, all
    are given, in their order. `accuracy` is of all questions, `accuracy/Business` of a discipline,
    `accuracy/Business/Finance` of a subject.

    Reads the Parquet files of its dataset on Hugging Face, `<subject>/<split>-*.parquet`, which hold the
    pictures. The answers of `test` are withheld: for these, there is the upload.

    Args:
        folder: With a folder for each subject.
        max_new_tokens: An answer is cut there.
        split: `validation`, `dev` or `test`.
        interleaved: Put each picture where the text first names it, instead of `<image 1>`.
        guess_seed: Draw a letter, by this seed, for an answer to options that says none, which the official
            tool does; None makes such an answer wrong.
    """

    published = "https://huggingface.co/datasets/MMMU/MMMU"

    def __init__(
        self, folder: str, max_new_tokens: int, split: str, interleaved: bool, guess_seed: int | None
    ) -> None:
        super().__init__(folder, max_new_tokens)
        self.split = split
        self.interleaved = interleaved
        self.guess_seed = guess_seed

    def files(self) -> list[Path]:
        """The Parquet files, by discipline and subject."""
        return [path for _, path in self._files_by_kind()]

    def questions(self) -> list[Question]:
        """Return them by discipline and subject, in the order of the files."""
        return [
            self._question(kind, path, row)
            for kind, path in self._files_by_kind()
            for row in read_texts(path)
        ]

    def _files_by_kind(self) -> Iterator[tuple[str, Path]]:
        for discipline, subjects in DISCIPLINES.items():
            for subject in subjects.split():
                paths = sorted((self.folder / subject).glob(f"{self.split}-*.parquet"))
                for path in paths or [self.find(f"{subject}/{self.split}-00000-of-00001.parquet")]:
                    yield f"{discipline}/{subject}", path

    def _question(self, kind: str, path: Path, row: Mapping[str, Any]) -> Question:
        key, answer = row["id"], row["answer"]
        try:
            choices = tuple(str(choice) for choice in ast.literal_eval(row["options"] or "[]"))
        except (ValueError, SyntaxError) as error:
            raise ValueError(
                f"{path}: the options of {key} are no list; get it from {self.published}"
            ) from error
        is_open = row["question_type"] != "multiple-choice"
        if not is_open and not choices:
            raise ValueError(f"{path}: {key} has no options; get it from {self.published}")
        if is_open:
            choices, text = (), f"{row['question']}\n{SHORT}"
        else:
            options = "".join(
                f"({letter}) {choice}\n" for letter, choice in zip(ascii_uppercase, choices, strict=False)
            )
            text = f"{row['question']}\n{options}\n{LETTER}"
        numbers = [number for number in range(1, NUM_PICTURES + 1) if row[f"image_{number}"]]
        if self.interleaved:
            text, numbers = interleave(text, numbers)
        else:
            text = with_pictures(text, len(numbers))
        pictures = tuple(_picture(path, row, number) for number in numbers)
        right = None if answer in (None, "", "?") else all_answers(answer) if is_open else answer
        return Question(key, kind, text, pictures, right, choices)

    def mark(self, question: Question, answer: str) -> Mark:
        """Read a letter, or find a right answer among what the answer says in its key places."""
        if not question.choices:
            said = read_open(answer)
            parsed = ", ".join(sorted({str(value).strip() for value in said} - {""}))
            return Mark(float(is_among(question.answer, said)), parsed or None)
        letter = last_letter(answer, question.choices)
        return Mark(float((letter or self._guess(question)) == question.answer), letter)

    def _guess(self, question: Question) -> str | None:
        if self.guess_seed is None:
            return None
        return Random(f"{self.guess_seed} {question.key}").choice(ascii_uppercase[: len(question.choices)])

    def metrics(self, sums: Mapping[str, Column]) -> dict[str, Column]:
        """Return the accuracy of all, of each discipline and each subject."""
        return nested_means(sums, "score", "count", "accuracy")

    def right_answer(self, question: Question) -> str:
        """Return the letter, or one of the right answers."""
        return str(question.answer if question.choices else question.answer[0])

    def write_upload(self, questions: Sequence[Question], answers: Sequence[str], folder: Path) -> Path:
        """Write what MMMU's server and its `main_eval_only.py` read: a letter by key, or an open answer."""
        said = {}
        for question, answer in zip(questions, answers, strict=True):
            letter = last_letter(answer, question.choices) if question.choices else None
            said[question.key] = letter or (self._guess(question) if question.choices else None) or answer
        path = folder / f"mmmu_{self.split}.json"
        path.write_text(json.dumps(said, indent=2), "utf-8")
        return path


def all_answers(answer: str) -> tuple[str, ...]:
    """Return the right answers to an open question; several are written as a list."""
    try:
        listed = ast.literal_eval(answer)
    except (ValueError, SyntaxError):
        return (answer,)
    return tuple(str(each) for each in listed) if isinstance(listed, list) and listed else (answer,)


def interleave(text: str, numbers: Sequence[int]) -> tuple[str, list[int]]:
    """Put pictures where they are first named, the others before the text; return their order, too."""
    named = {number: text.find(f"<image {number}>") for number in numbers}
    for number in numbers:
        text = text.replace(f"<image {number}>", IMAGE_PLACEHOLDER, 1)
    order = sorted(numbers, key=lambda number: named[number])  # what is not named has -1
    return with_pictures(text, sum(place < 0 for place in named.values())), order


def read_texts(path: Path) -> Iterator[dict[str, Any]]:
    """Yield rows with their group and place in it; of each picture, whether there is one.

    Raises:
        ValueError: It is no such file.
    """
    names = [f"image_{number}" for number in range(1, NUM_PICTURES + 1)]
    try:
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                # the path beside a picture's bytes says as well whether there is a picture, and is short
                table = file.read_row_group(group, [*TEXTS, *(f"{name}.path" for name in names)])
                there = {name: table.column(name).is_valid().to_pylist() for name in names}
                for place, row in enumerate(table.select(TEXTS).to_pylist()):
                    pictures = {name: there[name][place] for name in names}
                    yield row | pictures | {"group": group, "place": place}
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{path} is no file of MMMU ({reason}); get it from {MMMU.published}") from error


def _picture(path: Path, row: Mapping[str, Any], number: int) -> Picture:
    group, place, name = row["group"], row["place"], f"image_{number}"

    def read() -> bytes:
        with pq.ParquetFile(path) as file:
            column = file.read_row_group(group, [f"{name}.bytes"]).column(name)
        return column[place]["bytes"].as_py()

    return Picture(f"{row['id']}_{number}", read)
