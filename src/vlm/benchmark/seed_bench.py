"""SEED-Bench: questions with options about pictures and videos (Li et al. 2023, arXiv:2307.16125)."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from vlm.benchmark.folder import FolderBenchmark
from vlm.benchmark.letters import exact_letter
from vlm.benchmark.nested import nested_means
from vlm.benchmark.prompt import with_pictures
from vlm.benchmark.question import Mark, Question
from vlm.benchmark.tally import Column

DATA_TYPES = ("image", "video")


class SEEDBench(FolderBenchmark):
    """As LLaVA asks and scores it: an answer is right if it is the letter and nothing else.

    So `B.` is wrong. `accuracy` is of all questions, `accuracy/image` and `accuracy/video` of these, and
    `accuracy/image/Scene Understanding` of a type. SEED-Bench itself ranks options by their likelihood.

    Reads `SEED-Bench.json` (its questions and answers), `llava-seed-bench.jsonl` (LLaVA's prompts), and the
    pictures of `SEED-Bench-image/` and `SEED-Bench-video-image/`, where a video is its middle frame.

    Args:
        folder: Where they are.
        max_new_tokens: An answer is cut there.
        data_types: Of what is asked about: `image`, `video` or both.
    """

    published = "https://huggingface.co/datasets/AILab-CVC/SEED-Bench, and LLaVA's eval.zip for the prompts"

    def __init__(self, folder: str, max_new_tokens: int, data_types: Sequence[str]) -> None:
        super().__init__(folder, max_new_tokens)
        if not data_types or not set(data_types) <= set(DATA_TYPES):
            raise ValueError(f"benchmark.data_types is {list(data_types)}; give image, video or both")
        self.data_types = tuple(data_types)

    def files(self) -> list[Path]:
        """SEED-Bench's questions and LLaVA's prompts."""
        return [self.find("SEED-Bench.json"), self.find("llava-seed-bench.jsonl")]

    def questions(self) -> list[Question]:
        """Return them in the order of LLaVA's file."""
        official, asked = self.files()
        content = self.read_json(official)
        names = {number: name for name, number in content["question_type"].items()}
        records = {
            str(record["question_id"]): record
            for record in content["questions"]
            if record["data_type"] in self.data_types
        }
        questions = []
        for line in self.read_lines(asked):
            record = records.pop(str(line["question_id"]), None)
            if record is None:
                continue
            kind = f"{record['data_type']}/{names[record['question_type_id']]}"
            choices = tuple(str(record[f"choice_{letter}"]) for letter in "abcd")
            picture = self.picture(line["image"])
            text = with_pictures(line["text"])
            key = str(record["question_id"])
            questions.append(Question(key, kind, text, (picture,), record["answer"], choices))
        if records:
            raise ValueError(
                f"{asked} lacks {len(records)} questions of {official.name}, the first being"
                f" {next(iter(records))}; get both again from {self.published}"
            )
        return questions

    def mark(self, question: Question, answer: str) -> Mark:
        """Compare it with the letter, to the character."""
        return Mark(float(answer == question.answer), exact_letter(answer, len(question.choices)))

    def metrics(self, sums: Mapping[str, Column]) -> dict[str, Column]:
        """Return the accuracy of all, of pictures and videos, and of each type."""
        return nested_means(sums, "score", "count", "accuracy")

    def right_answer(self, question: Question) -> str:
        """Return the letter."""
        return str(question.answer)

    def write_upload(self, questions: Sequence[Question], answers: Sequence[str], folder: Path) -> Path:
        """Write the lines that SEED-Bench's leaderboard reads, in the order and with the ids of its file."""
        said = {question.key: answer for question, answer in zip(questions, answers, strict=True)}
        path = folder / "seed_bench.jsonl"
        with path.open("w", encoding="utf-8") as file:
            for record in self.read_json(self.files()[0])["questions"]:
                key = record["question_id"]
                if str(key) in said:
                    file.write(json.dumps({"question_id": key, "prediction": said[str(key)]}) + "\n")
        return path
