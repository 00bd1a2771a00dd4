"""MMBench: options in every order (Liu et al. 2023, arXiv:2307.06281)."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd  # type: ignore[import-untyped]

from vlm.benchmark.folder import FolderBenchmark
from vlm.benchmark.letters import inferred_letter
from vlm.benchmark.nested import nested_means
from vlm.benchmark.picture_table import Row, pictures_of, read_rows
from vlm.benchmark.prompt import LETTER, LETTER_CHINESE, lettered, with_pictures
from vlm.benchmark.question import Mark, Picture, Question
from vlm.benchmark.tally import Column, Tally, by_kind, ratio, total

ROUNDS = ("single", "circular")
LETTERS = "ABCD"
ROTATION = 1_000_000
"""Added to a question's index for each rotation of its options that the file has."""
NO_VALUE = frozenset(
    [
        "",
        "#N/A",
        "#N/A N/A",
        "#NA",
        "-1.#IND",
        "-1.#QNAN",
        "-NaN",
        "-nan",
        "1.#IND",
        "1.#QNAN",
        "<NA>",
        "N/A",
        "NA",
        "NULL",
        "n/a",
        "null",
    ]
)
"""What pandas, which LLaVA reads the table with, takes for no value; so does LLaVA `nan` and `none`."""
LEFT_OUT = ("hint", "category", "source", "image", "comment", "l2-category")
"""Columns that LLaVA's upload lacks."""
PREDICTION_COLUMN = 6
UNWRITABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
"""Characters that a sheet cannot hold."""


class MMBench(FolderBenchmark):
    """LLaVA's prompts; a question is right if each rotation of its options is (`accuracy`).

    Reads OpenCompass's table, with the pictures in it. The official tables hold the rotations as rows, whose
    indices are higher by millions; LLaVA asks each row once, which is `circular` here. A question that the
    table holds once is rotated as LLaVA's `--all-rounds` does. `single_round` is the accuracy without
    rotations.

    Answers are read by VLMEvalKit's rules. The official server lets ChatGPT read what these cannot; here,
    that is unreadable and wrong. Where the table has no answers (the test split), the upload is all there is.

    Args:
        folder: Where the table is.
        max_new_tokens: An answer is cut there.
        file: The table's name.
        chinese: Ask for the letter in Chinese.
        rounds: `circular`, or `single` to ask each question in the first order only.
    """

    published = "https://github.com/open-compass/MMBench"

    def __init__(self, folder: str, max_new_tokens: int, file: str, chinese: bool, rounds: str) -> None:
        super().__init__(folder, max_new_tokens)
        if rounds not in ROUNDS:
            raise ValueError(f"benchmark.rounds is {rounds!r}; give {' or '.join(ROUNDS)}")
        self.file = file
        self.request = LETTER_CHINESE if chinese else LETTER
        self.rounds = rounds

    def files(self) -> list[Path]:
        """The table."""
        return [self.find(self.file)]

    def questions(self) -> list[Question]:
        """Return them in the order of the table."""
        (path,) = self.files()
        rows = read_rows(path)
        groups = [_group(row, path) for row in rows]
        sizes = Counter(groups)
        questions: list[Question] = []
        for row, picture, group in zip(rows, pictures_of(path, rows), groups, strict=True):
            if self.rounds == "circular":
                questions += self._rotations(row, picture, group, alone=sizes[group] == 1)
            elif row.values["index"] == group:
                questions += self._rotations(row, picture, group, alone=False)
        return questions

    def _rotations(self, row: Row, picture: Picture, group: str, alone: bool) -> Iterator[Question]:
        """Yield the row's question and, if the table holds it alone, its rotations."""
        values = {name: value for name, value in row.values.items() if not _is_none(value)}
        choices: list[str] = []
        for letter in LETTERS:
            if letter not in values:
                break
            choices.append(values[letter])
        kind = "/".join(values[name] for name in ("l2-category", "category") if name in values)
        hint = [values["hint"]] if "hint" in values else []
        answer = values.get("answer")
        if "question" not in values or (answer or "A") not in LETTERS[: len(choices)]:
            raise ValueError(
                f"{self.find(self.file)}: row {row.values['index']} lacks its question or the option that is"
                f" right; get it again from {self.published}"
            )
        for turn in range(len(choices) if alone else 1):
            turned = (*choices[turn:], *choices[:turn])
            text = "\n".join([*hint, values["question"], lettered(turned), self.request])
            key = f"{row.values['index']}-{turn}" if turn else row.values["index"]
            right = answer and LETTERS[(LETTERS.index(answer) - turn) % len(choices)]
            yield Question(key, kind, with_pictures(text), (picture,), right, turned, group)

    def mark(self, question: Question, answer: str) -> Mark:
        """Read a letter."""
        letter = inferred_letter(answer, question.choices)
        return Mark(float(letter == question.answer), letter)

    def tally(self, questions: Sequence[Question], marks: Sequence[Mark]) -> Tally:
        """Return what is summed: questions that are right in all rotations, and in their first."""
        asked: dict[str, Question] = {}
        scores: dict[str, list[float]] = {}
        for question, mark in zip(questions, marks, strict=True):
            asked.setdefault(question.group, question)
            scores.setdefault(question.group, []).append(mark.score)
        kinds = [question.kind for question in asked.values()]
        columns = by_kind("score", kinds, [min(each) for each in scores.values()])
        columns |= by_kind("first", kinds, [each[0] for each in scores.values()])
        columns |= by_kind("count", kinds, np.ones(len(kinds)))
        return Tally([question.cluster for question in asked.values()], columns)

    def metrics(self, sums: Mapping[str, Column]) -> dict[str, Column]:
        """Return the accuracy of all, of each ability and each of its parts, and without rotations."""
        found = nested_means(sums, "score", "count", "accuracy")
        return found | {"single_round": ratio(total(sums, "first"), total(sums, "count"))}

    def right_answer(self, question: Question) -> str:
        """Return the letter."""
        return str(question.answer)

    def write_upload(self, questions: Sequence[Question], answers: Sequence[str], folder: Path) -> Path:
        """Write the sheet that OpenCompass's server reads, with LLaVA's columns."""
        (source,) = self.files()
        said = {
            question.key: UNWRITABLE.sub("", answer)
            for question, answer in zip(questions, answers, strict=True)
        }
        frame = pd.read_table(source, usecols=lambda name: name not in LEFT_OUT)
        predictions = [said.get(str(index)) for index in frame["index"]]
        frame.insert(min(PREDICTION_COLUMN, frame.shape[1]), "prediction", predictions)
        path = folder / f"{source.stem}.xlsx"
        try:
            frame.to_excel(path, index=False, engine="openpyxl")
        except ImportError as error:
            raise ValueError(f"{path} is written with openpyxl; pip install openpyxl") from error
        return path


def _group(row: Row, path: Path) -> str:
    """Return the index of the question that a row is a rotation of."""
    index = row.values["index"]
    if not index.isdecimal():
        raise ValueError(f"{path}: the index {index!r} is no number; get the file again")
    return str(int(index) % ROTATION)


def _is_none(value: str) -> bool:
    return value in NO_VALUE or value.lower() in ("nan", "none")
