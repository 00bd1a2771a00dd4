"""VQAv2: open questions about COCO's pictures (Goyal et al. 2017, arXiv:1612.00837)."""

import json
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path

from vlm.benchmark.answer_text import m4c_form, tool_form, vqa_accuracy
from vlm.benchmark.folder import FolderBenchmark
from vlm.benchmark.prompt import SHORT, with_pictures
from vlm.benchmark.question import Mark, Question


class VQAv2(FolderBenchmark):
    """What both splits share: LLaVA's way to the server of VQA, and what that server does.

    An answer is made into M4C's form, as LLaVA's script does before it uploads, and then scored as VQA's own
    tool scores (both are told of in `answer_text`).

    Args:
        folder: Where the files are.
        max_new_tokens: An answer is cut there.
    """

    published = "https://visualqa.org/download.html, and LLaVA's eval.zip for its questions"

    @abstractmethod
    def asked_for(self) -> list[int]:
        """Return the questions that the server wants a row of, in this order."""

    def mark(self, question: Question, answer: str) -> Mark:
        """Return the soft accuracy that the server would give."""
        uploaded = m4c_form(answer, fixed_periods=False)
        return Mark(vqa_accuracy(uploaded, question.answer), tool_form(uploaded) or None)

    def right_answer(self, question: Question) -> str:
        """Return the answer of a person that is worth most; where people disagree, that may be below 1."""
        return max(question.answer, key=lambda said: self.mark(question, said).score)

    def write_upload(self, questions: Sequence[Question], answers: Sequence[str], folder: Path) -> Path:
        """Write `vqav2.json`: a row for each question that the server wants, empty if it was not asked."""
        given = {question.key: answer for question, answer in zip(questions, answers, strict=True)}
        rows = [
            {"question_id": number, "answer": m4c_form(given.get(str(number), ""), fixed_periods=False)}
            for number in self.asked_for()
        ]
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "vqav2.json"
        path.write_text(json.dumps(rows), "utf-8")
        return path


class VQAv2TestDev(VQAv2):
    """The split that LLaVA reports, whose answers only the server has.

    Reads `llava_vqav2_mscoco_test-dev2015.jsonl` (LLaVA's questions), `llava_vqav2_mscoco_test2015.jsonl`
    (all of the test, which the server wants a row of) and the pictures of COCO's `test2015/`.
    """

    def files(self) -> list[Path]:
        """LLaVA's questions, and the list for the upload."""
        return [
            self.find("llava_vqav2_mscoco_test-dev2015.jsonl"),
            self.find("llava_vqav2_mscoco_test2015.jsonl"),
        ]

    def asked_for(self) -> list[int]:
        """The whole test, about four times what is asked here."""
        return [int(line["question_id"]) for line in self.read_lines(self.files()[1])]

    def questions(self) -> list[Question]:
        """Return them in the order of LLaVA's file."""
        return [
            Question(
                str(line["question_id"]),
                "",
                with_pictures(line["text"]),
                (self.picture(f"test2015/{line['image']}", line["image"]),),
                None,
            )
            for line in self.read_lines(self.files()[0])
        ]


class VQAv2Val(VQAv2):
    """The split whose answers are public, by type of answer: yes/no, number, other.

    Reads `v2_OpenEnded_mscoco_val2014_questions.json`, `v2_mscoco_val2014_annotations.json` and the pictures
    of COCO's `val2014/`. LLaVA does not report it; it is asked as test-dev is.
    """

    def files(self) -> list[Path]:
        """The questions, and their answers."""
        return [
            self.find("v2_OpenEnded_mscoco_val2014_questions.json"),
            self.find("v2_mscoco_val2014_annotations.json"),
        ]

    def asked_for(self) -> list[int]:
        """All of them."""
        return [int(record["question_id"]) for record in self.read_json(self.files()[0])["questions"]]

    def questions(self) -> list[Question]:
        """Return them in the order of their file."""
        asked, answered = self.files()
        answers = {record["question_id"]: record for record in self.read_json(answered)["annotations"]}
        questions = []
        for record in self.read_json(asked)["questions"]:
            number, found = record["question_id"], answers.get(record["question_id"])
            if found is None:
                raise ValueError(f"{answered} has no answers to question {number}; get it and {asked} again")
            image = f"COCO_val2014_{record['image_id']:012d}.jpg"
            picture = self.picture(f"val2014/{image}", image)
            text = with_pictures(f"{record['question']}\n{SHORT}")
            said = [person["answer"] for person in found["answers"]]
            questions.append(Question(str(number), found["answer_type"], text, (picture,), said))
        return questions
