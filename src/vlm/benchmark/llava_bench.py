"""LLaVA-Bench: how close to GPT-4's do a judge's eyes find an answer? (Liu et al. 2023, arXiv:2304.08485)."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np

from vlm.benchmark.judged import JudgedBenchmark, JudgedMark
from vlm.benchmark.prompt import with_pictures
from vlm.benchmark.question import Mark, Question
from vlm.benchmark.tally import Column, Tally, by_kind, means
from vlm.endpoint.request import Messages
from vlm.judge.base import Judge

Pair = tuple[float, float]
"""What the judge gives the reference, and what it gives the model."""

SYSTEM = "You are a helpful and precise assistant for checking the quality of the answer."
UNREADABLE = (-1.0, -1.0)
"""What LLaVA's script writes in place of two scores."""

BY_SENTENCES = (
    "Two AI assistants answered the question above, which somebody asked about a picture. You cannot see it; "
    "[Context] describes it in a few sentences."
)
BY_BOXES = (
    "Two AI assistants answered the question above, which somebody asked about a picture. You cannot see it; "
    "[Context] describes it in five sentences and then gives the box of each object as (x1, y1, x2, y2): its "
    "left, top, right and lower edge, from 0 to 1 across and down the picture."
)
DEMANDS = (
    "Rate how helpful, relevant, accurate and detailed the answers are. Give each assistant one overall "
    "score from 1 to 10; the better the answer, the higher the score.\n"
    "Let your first line hold two numbers and nothing else: the score of Assistant 1, a space, the score of "
    "Assistant 2.\n"
    "From the second line on, explain the scores thoroughly. Be impartial, and do not let it matter which "
    "answer came first."
)


@dataclass(frozen=True, kw_only=True)
class Review(JudgedMark):
    """Two ratings; the model's is the score.

    Args:
        reference: What the judge gives the text that GPT-4 wrote from the picture's description.
    """

    reference: float


class LLaVABench(JudgedBenchmark):
    """Plain questions; a judge rates GPT-4's answer and the model's; `relative` is the ratio of the means.

    Reads questions, GPT-4's answers, what describes the pictures, and `rule.json` if the folder has it; else
    the judge is told the same demands in our own words. Answers are found by their questions' ids.

    `relative` is 100 where the model is as good as the reference, as LLaVA prints it; `reference_score` and
    `answer_score` are its second and third numbers, ten times the mean ratings.

    Args:
        folder: Where they are.
        max_new_tokens: An answer is cut there.
        judge: Who rates.
        files_of: Names of the `questions`, the `references` and the `context`.
        pictures: Where a picture may lie, with `{}` for the name in the questions.
        rule_prefix: Before a question's category, its name in `rule.json`.
        reviews: The file that LLaVA's script leaves; None asks the judge.
        legacy: As LLaVA's scripts do: a review whose first line is not two numbers, one space or comma
            between them, is -1 for both and enters the means; and a description that is one text is told
            with each of its letters on a line of its own.
    """

    headline = "relative"
    published = (
        "https://huggingface.co/datasets/liuhaotian/llava-bench-in-the-wild, or from LLaVA's repository "
        "(playground/data/coco2014_val_qa_eval, llava/eval/table) and COCO's val2014"
    )
    given_key = "reviews"

    def __init__(
        self,
        folder: str,
        max_new_tokens: int,
        judge: Judge | None,
        files_of: Mapping[str, str],
        pictures: Sequence[str],
        rule_prefix: str,
        reviews: str | None,
        legacy: bool,
    ) -> None:
        super().__init__(folder, max_new_tokens, judge, reviews, legacy)
        self.files_of = files_of
        self.pictures = pictures
        self.rule_prefix = rule_prefix

    def files(self) -> list[Path]:
        """Questions, GPT-4's answers, descriptions."""
        return [self.find(self.files_of[name]) for name in ("questions", "references", "context")]

    def content(self) -> str:
        """Return a hash of the files, and of the rules that the judge is given."""
        return hashlib.sha256((super().content() + json.dumps(self._rules)).encode()).hexdigest()

    def questions(self) -> list[Question]:
        """Return them in the order of their file."""
        found = []
        for key, line in self._lines.items():
            places = [place.format(line["image"]) for place in self.pictures]
            picture = self.picture(*places)
            text = with_pictures(line["text"])
            found.append(Question(key, line["category"], text, (picture,), line["reference"]))
        return found

    @cached_property
    def _lines(self) -> dict[str, dict[str, Any]]:
        """What is known of each question, by its key."""
        asked, answered, described = self.files()
        try:
            references = {str(line["question_id"]): line["text"] for line in self.read_lines(answered)}
            contexts = {line["image"]: line for line in self.read_lines(described)}
            lines = {str(line["question_id"]): line for line in self.read_lines(asked)}
            for key, line in lines.items():
                line["reference"] = references[key]
                line["context"] = self._describe(contexts[line["image"]])
                line["boxes"] = "instances" in contexts[line["image"]]
        except KeyError as error:
            raise ValueError(
                f"{asked}, {answered.name} and {described.name} do not belong together: nothing is found for "
                f"{error}; get all three from {self.published}"
            ) from error
        return lines

    def _describe(self, record: Mapping[str, Any]) -> str:
        """Return captions, and boxes if there are some."""
        if "instances" in record:
            boxes = "\n".join(f"{found['category']}: {found['bbox']}" for found in record["instances"])
            return "\n".join(record["captions"]) + f"\n\n{boxes}"
        caption = record["caption"]
        return caption if isinstance(caption, str) and not self.legacy else "\n".join(caption)

    @cached_property
    def _rules(self) -> dict[str, dict[str, str]]:
        """The user's rules by category; none if the folder has none."""
        path = self.folder / "rule.json"
        return self.read_json(path) if path.exists() else {}

    def prompt(self, key: str, answers: Sequence[str]) -> Messages:
        """Return what the judge is told of a question and two answers.

        Raises:
            ValueError: The rules do not have the question's category.
        """
        line = self._lines[key]
        name = self.rule_prefix + line["category"]
        own = {"role": "Assistant", "prompt": f"{BY_BOXES if line['boxes'] else BY_SENTENCES}\n{DEMANDS}"}
        rule = self._rules.get(name) if self._rules else own
        if rule is None:
            raise ValueError(f"{self.folder / 'rule.json'} has no {name}; get it again, or take it away")
        shown = "".join(
            f"[{rule['role']} {place}]\n{answer}\n\n[End of {rule['role']} {place}]\n\n"
            for place, answer in enumerate(answers, 1)
        )
        text = f"[Context]\n{line['context']}\n\n[Question]\n{line['text']}\n\n{shown}"
        text += f"[System]\n{rule['prompt']}\n\n"
        return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": text}]

    def mark_all(self, questions: Sequence[Question], answers: Sequence[str]) -> list[Mark]:
        """Have each compared with GPT-4's; in both orders if the judge is made so."""
        if self.given is not None:
            self.hold_to_one_model(questions, answers)
            return self._reviews_given(questions)
        pairs = list(zip(questions, answers, strict=True))
        prompts = [self.prompt(question.key, [question.answer, answer]) for question, answer in pairs]
        if self.judge is not None and self.judge.both_orders:
            prompts += [self.prompt(question.key, [answer, question.answer]) for question, answer in pairs]
        said = self.ask_judge(prompts)
        marks: list[Mark] = []
        for number in range(len(pairs)):
            reviews = said[number :: len(pairs)]
            rated = [read_pair(review, strict=self.legacy) for review in reviews]
            marks.append(self._review([*rated[:1], *map(_turned, rated[1:])], reviews))
        return marks

    def _review(self, rated: Sequence[Pair | None], reviews: Sequence[str]) -> Review:
        """Return the mean of a question's ratings, one for each order."""
        readable = [pair for pair in rated if pair is not None]
        whole = len(readable) == len(rated)
        counted = whole or (self.legacy and all(reviews))  # who could not be reached gave no rating
        reference, score = np.mean([pair or UNREADABLE for pair in rated], axis=0)
        parsed = f"{reference:g} {score:g}" if whole else None
        said = "\n\n".join(reviews)
        return Review(float(score), parsed, said, counted=counted, reference=float(reference))

    def _reviews_given(self, questions: Sequence[Question]) -> list[Mark]:
        path = self.given_file()
        lines = {str(line.get("question_id")): line for line in self.read_lines(path)}
        marks: list[Mark] = []
        for question in questions:
            try:
                line = lines[question.key]
                first, second = map(float, line["tuple"])
            except (LookupError, TypeError, ValueError) as error:
                raise ValueError(
                    f"{path} has no review of question {question.key} with its two scores; give the file "
                    "that LLaVA's eval_gpt_review script leaves for all questions"
                ) from error
            pair = None if (first, second) == UNREADABLE else (first, second)
            marks.append(self._review([pair], [str(line.get("content") or line["tuple"])]))
        return marks

    def tally(self, questions: Sequence[Question], marks: Sequence[Mark]) -> Tally:
        """Return the sums of both ratings, by category."""
        reviews = cast("Sequence[Review]", marks)
        counted = np.array([float(review.counted) for review in reviews])
        kinds = [question.kind for question in questions]
        columns: dict[str, Column] = {}
        for name, values in {
            "score": np.array([mark.score for mark in marks]) * counted,
            "reference": np.array([review.reference for review in reviews]) * counted,
            "counted": counted,
            "unreadable": np.array([float(mark.parsed is None) for mark in marks]),
            "asked": np.ones(len(marks)),
        }.items():
            columns |= by_kind(name, kinds, values)
        return Tally([question.cluster for question in questions], columns)

    def metrics(self, sums: Mapping[str, Column]) -> dict[str, Column]:
        """Return LLaVA's three numbers of all and of each category, and the share that nobody could read."""
        relative = means(sums, "score", "reference", "relative")
        ratings = means(sums, "reference", "counted", "reference_score")
        ratings |= means(sums, "score", "counted", "answer_score")
        found = {name: 100 * column for name, column in relative.items()}
        found |= {name: 10 * column for name, column in ratings.items()}
        return found | means(sums, "unreadable", "asked", "unreadable")

    def right_answer(self, question: Question) -> str:
        """Return GPT-4's answer."""
        return str(question.answer)

    def write_upload(self, questions: Sequence[Question], answers: Sequence[str], folder: Path) -> Path:
        """Write the answers as LLaVA's review script reads them."""
        path = folder / "llava_bench.jsonl"
        with path.open("w", encoding="utf-8") as file:
            for question, answer in zip(questions, answers, strict=True):
                line = self._lines[question.key]
                name = hashlib.sha256(f"{question.key} {answer}".encode()).hexdigest()[:22]
                said = {"question_id": line["question_id"], "prompt": line["text"], "text": answer}
                rest = {"answer_id": name, "model_id": "vlm", "metadata": {}}
                file.write(json.dumps(said | rest, ensure_ascii=False) + "\n")
        return path


def read_pair(review: str, strict: bool) -> Pair | None:
    """Return the two scores of a review's first line; None if it is anything else.

    Args:
        review: What the judge said.
        strict: Whether more than one space or comma between them is too much, as it is to LLaVA's script.
    """
    first = (review if strict else review.strip()).split("\n")[0].replace(",", " ")
    words = first.split(" ") if strict else first.split()
    try:
        reference, score = map(float, words)
    except ValueError:
        return None
    return (reference, score) if math.isfinite(reference) and math.isfinite(score) else None


def _turned(pair: Pair | None) -> Pair | None:
    return pair and pair[::-1]
