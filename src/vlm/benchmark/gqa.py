"""GQA: compositional questions about real pictures (Hudson and Manning 2019, arXiv:1902.09506)."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from vlm.benchmark.folder import FolderBenchmark
from vlm.benchmark.prompt import with_pictures
from vlm.benchmark.question import Mark, Question
from vlm.benchmark.tally import Column, Tally, by_kind, means

_QUESTIONS = "testdev_balanced_questions.json"


class GQA(FolderBenchmark):
    """The balanced test-dev, as LLaVA asks it and GQA's `eval.py` scores it: the answer must be equal.

    Reads `llava_gqa_testdev_balanced.jsonl` (LLaVA's questions), GQA's `data/testdev_balanced_questions.json`
    and the pictures in `data/images/`.

    Accuracy is given for the official groups: by structure (`query`, `verify`, `logical`, `choose`,
    `compare`), by meaning (`obj`, `attr`, `cat`, `rel`, `global`), and for `open` questions, whose structure
    is `query`, against `binary` ones, which are all others. Validity, plausibility and consistency need files
    that test-dev has not; LLaVA's patch of `eval.py` leaves them out, too.

    Args:
        folder: Where the files are.
        max_new_tokens: An answer is cut there.
    """

    published = (
        "https://cs.stanford.edu/people/dorarad/gqa/download.html, and LLaVA's eval.zip for its questions"
    )

    def files(self) -> list[Path]:
        """LLaVA's questions, and GQA's with their answers."""
        places = (f"data/{_QUESTIONS}", f"data/questions1.2/{_QUESTIONS}", _QUESTIONS)
        return [self.find("llava_gqa_testdev_balanced.jsonl"), self.find(*places)]

    def questions(self) -> list[Question]:
        """Return them in the order of LLaVA's file; the kind is `<structure>/<meaning>`."""
        asked, answered = self.files()
        records = self.read_json(answered)
        questions = []
        for line in self.read_lines(asked):
            key, image = str(line["question_id"]), line["image"]
            record = records.get(key)
            if record is None:
                raise ValueError(f"{answered} has no question {key}; get it and {asked} again")
            kind = f"{record['types']['structural']}/{record['types']['semantic']}"
            picture = self.picture(f"data/images/{image}", f"images/{image}", image)
            questions.append(Question(key, kind, with_pictures(line["text"]), (picture,), record["answer"]))
        return questions

    def mark(self, question: Question, answer: str) -> Mark:
        """Compare in lower case and without periods at the end."""
        said = _prediction(answer)
        return Mark(float(said == question.answer), said or None)

    def right_answer(self, question: Question) -> str:
        """Return the one answer."""
        return str(question.answer)

    def tally(self, questions: Sequence[Question], marks: Sequence[Mark]) -> Tally:
        """Return scores and numbers of questions, once by each way to group them."""
        types = [question.kind.split("/") for question in questions]
        groups = {
            "structural": [structural for structural, _ in types],
            "semantic": [semantic for _, semantic in types],
            "form": ["open" if structural == "query" else "binary" for structural, _ in types],
        }
        scores, ones = [mark.score for mark in marks], np.ones(len(marks))
        columns: dict[str, Column] = {}
        for name, kinds in groups.items():
            columns |= by_kind(f"{name}_score", kinds, scores) | by_kind(f"{name}_count", kinds, ones)
        return Tally([question.cluster for question in questions], columns)

    def metrics(self, sums: Mapping[str, Column]) -> dict[str, Column]:
        """Return accuracy, also of each structure, each meaning, open and binary questions."""
        found: dict[str, Column] = {}
        for name in ("structural", "semantic", "form"):
            found |= means(sums, f"{name}_score", f"{name}_count", "accuracy")
        return found

    def write_upload(self, questions: Sequence[Question], answers: Sequence[str], folder: Path) -> Path:
        """Write `testdev_balanced_predictions.json`, which GQA's `eval.py --tier testdev_balanced` reads."""
        rows = [
            {"questionId": question.key, "prediction": _prediction(answer)}
            for question, answer in zip(questions, answers, strict=True)
        ]
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "testdev_balanced_predictions.json"
        path.write_text(json.dumps(rows), "utf-8")
        return path


def _prediction(answer: str) -> str:
    """Return what LLaVA's script hands to `eval.py`."""
    return answer.strip().rstrip(".").lower()
