"""POPE: is there such an object in the picture? (Li et al. 2023, arXiv:2305.10355)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from vlm.benchmark.folder import FolderBenchmark
from vlm.benchmark.prompt import SHORT, with_pictures
from vlm.benchmark.question import Mark, Question
from vlm.benchmark.tally import Column, Tally, by_kind, ratio

SPLITS = ("random", "popular", "adversarial")
"""How the objects that are not there were drawn."""
COUNTED = ("right", "count", "said_yes", "is_yes", "true_yes")
METRICS = ("f1", "accuracy", "precision", "recall", "yes_ratio")


class POPE(FolderBenchmark):
    """Yes or no, as LLaVA asks and scores it; `f1` is the mean of the splits' F1.

    Reads `llava_pope_test.jsonl` (LLaVA's questions), `coco/coco_pope_{random,popular,adversarial}.json`
    (POPE's labels) and the pictures of COCO's `val2014/`.

    Its numbering restarts in each split, so LLaVA numbers questions through; a question is found by its
    split, picture and words, never by its place in the file.

    Args:
        folder: Where they are.
        max_new_tokens: An answer is cut there.
        strict: An answer that says neither yes nor no is wrong. False is the official rule, by which every
            answer without `no` or `not` among its words is a yes, gibberish included.
        questions: None reads the official files. Else a file of labelled questions in the folder, an object
            in each line: `question_id`, `image`, `text` without how to answer, `label` (yes or no),
            `category`, which is its split, and, unless the picture is found by its name, `file`, its path
            within the folder. Keys are `<category>/<question_id>`. Means are over the splits it has.
    """

    headline = "f1"
    published = "https://github.com/AoiDragon/POPE, and LLaVA's eval.zip for the questions"

    def __init__(self, folder: str, max_new_tokens: int, strict: bool, questions: str | None) -> None:
        super().__init__(folder, max_new_tokens)
        self.strict, self.labelled = strict, questions

    def files(self) -> list[Path]:
        """LLaVA's questions and POPE's labels, or the file that has both."""
        if self.labelled is not None:
            return [self.find(self.labelled)]
        labels = [self.find(f"coco/coco_pope_{split}.json", f"coco_pope_{split}.json") for split in SPLITS]
        return [self.find("llava_pope_test.jsonl"), *labels]

    def questions(self) -> list[Question]:
        """Return them in the order of LLaVA's file, or of the labelled questions."""
        return self._official_questions() if self.labelled is None else self._labelled_questions()

    def _official_questions(self) -> list[Question]:
        asked, *labelled = self.files()
        labels = {
            (split, line["image"], line["text"]): line["label"]
            for split, path in zip(SPLITS, labelled, strict=True)
            for line in self.read_lines(path)
        }
        questions = []
        for line in self.read_lines(asked):
            key, split, image = str(line["question_id"]), line["category"], line["image"]
            label = labels.get((split, image, line["text"].split("\n")[0]))
            if label is None:
                raise ValueError(
                    f"{asked}: question {key} has no label in coco_pope_{split}.json; get both again"
                )
            picture = self.picture(f"val2014/{image}", image)
            questions.append(Question(key, split, with_pictures(line["text"]), (picture,), label))
        return questions

    def _labelled_questions(self) -> list[Question]:
        (path,) = self.files()
        questions: dict[str, Question] = {}
        for number, line in enumerate(self.read_lines(path), 1):
            absent = [name for name in ("question_id", "image", "text", "category") if name not in line]
            if absent or line.get("label") not in {"yes", "no"}:
                lacks = absent[0] if absent else "label that is yes or no"
                raise ValueError(f"{path}: question {number} has no {lacks}; give it one")
            key, image = f"{line['category']}/{line['question_id']}", line["image"]
            if key in questions:
                raise ValueError(f"{path}: question {number} is the second {key}; give it another number")
            picture = self.picture(*filter(None, (line.get("file"), f"val2014/{image}", image)))
            text = with_pictures(f"{line['text']}\n{SHORT}")
            questions[key] = Question(key, line["category"], text, (picture,), line["label"])
        return list(questions.values())

    def right_answer(self, question: Question) -> str:
        """Return `Yes` or `No`."""
        return str(question.answer).capitalize()

    def mark(self, question: Question, answer: str) -> Mark:
        """Read what stands before the first period; `No`, `not` or `no` among its words is a no."""
        words = answer.split(".")[0].replace(",", "").split(" ")
        said = "no" if {"No", "not", "no"} & set(words) else "yes"
        if self.strict and said == "yes" and "yes" not in [word.lower() for word in words]:
            return Mark(0.0, None)
        return Mark(float(said == question.answer), said)

    def tally(self, questions: Sequence[Question], marks: Sequence[Mark]) -> Tally:
        """Return what was said against what is true, by split."""
        said = np.array([mark.parsed == "yes" for mark in marks])
        true = np.array([question.answer == "yes" for question in questions])
        right = np.array([mark.score for mark in marks])
        counts = (right, np.ones(len(marks)), said, true, said & true)
        kinds = [question.kind for question in questions]
        columns: dict[str, Column] = {}
        for name, values in zip(COUNTED, counts, strict=True):
            columns |= by_kind(name, kinds, values.astype(np.float64))
        return Tally([question.cluster for question in questions], columns)

    def metrics(self, sums: Mapping[str, Column]) -> dict[str, Column]:
        """Return F1, accuracy, precision, recall and the share of yes, of each split and their means."""
        splits = [key.removeprefix("count/") for key in sums if key.startswith("count/")]
        each = {split: _rates(*(sums[f"{name}/{split}"] for name in COUNTED)) for split in splits}
        found = {name: np.mean([each[split][name] for split in splits], axis=0) for name in METRICS}
        return found | {f"{name}/{split}": each[split][name] for name in METRICS for split in splits}


def _rates(
    right: Column, count: Column, said_yes: Column, is_yes: Column, true_yes: Column
) -> dict[str, Column]:
    """Return the metrics of one split."""
    return {
        "f1": ratio(2 * true_yes, said_yes + is_yes),  # of precision and recall the harmonic mean
        "accuracy": ratio(right, count),
        "precision": ratio(true_yes, said_yes),
        "recall": ratio(true_yes, is_yes),
        "yes_ratio": ratio(said_yes, count),
    }
