"""MME: pairs of yes-or-no questions about a picture, in 14 tasks (Fu et al. 2023, arXiv:2306.13394)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from vlm.benchmark.folder import FolderBenchmark
from vlm.benchmark.groups import tally_groups
from vlm.benchmark.prompt import SHORT, with_pictures
from vlm.benchmark.question import Mark, Picture, Question
from vlm.benchmark.tally import Column, Tally, means
from vlm.data.sample import IMAGE_PLACEHOLDER

PERCEPTION = (
    "existence", "count", "position", "color", "posters", "celebrity", "scene", "landmark", "artwork", "OCR",
)  # fmt: skip
COGNITION = ("commonsense_reasoning", "numerical_calculation", "text_translation", "code_reasoning")
ROOTS = ("MME_Benchmark_release_version/MME_Benchmark", "MME_Benchmark_release_version", "MME_Benchmark")
OFFICIAL_LAST_WORDS = "Please answer yes or no."


class MME(FolderBenchmark):
    """Yes or no, as LLaVA asks and MME's own `calculation.py` scores.

    A task's points are its accuracy and the share of its pictures of which both questions are right, each in
    per cent: `points/<task>`, at most 200. `perception` is the sum over ten tasks, at most 2000; `cognition`
    that over four, at most 800. Tasks without a question add nothing.

    Reads `llava_mme.jsonl` (LLaVA's questions) and MME's release: a folder for each task, with a picture's
    two questions and answers in `<picture>.txt`, in some tasks under `questions_answers_YN/` with the
    pictures under `images/`. LLaVA has put its own last line in place of MME's last words, so a question is
    matched by its other words, whatever is between them: before those last words MME has one or two spaces.

    LLaVA's `question_id` names the picture, so two questions share it; keys are `<question_id>#1` and `#2`.

    The official quirks: an answer is read by its first four characters only, in which yes goes before no;
    anything else is wrong. The official tool pairs what stands in consecutive lines; here, as there if the
    lines are in order, a pair is what shares a picture.

    Args:
        folder: Where the files are.
        max_new_tokens: An answer is cut there.
    """

    headline = "perception"
    published = "https://github.com/BradyFU/Awesome-Multimodal-Large-Language-Models/tree/Evaluation, and " \
        "LLaVA's eval.zip for the questions"  # fmt: skip

    def files(self) -> list[Path]:
        """LLaVA's questions, and MME's file of each picture."""
        asked = self.find("llava_mme.jsonl")
        pictures = dict.fromkeys(str(line["question_id"]) for line in self._asked(asked))
        return [asked, *(self._official_file(picture) for picture in pictures)]

    def questions(self) -> list[Question]:
        """Return them in the order of LLaVA's file."""
        asked = self.find("llava_mme.jsonl")
        official: dict[str, dict[str, tuple[str, str]]] = {}
        seen: dict[str, int] = defaultdict(int)
        questions = []
        for line in self._asked(asked):
            name, text = str(line["question_id"]), line["text"]
            if name not in official:
                official[name] = self._official(name)
            if _words(text) not in official[name]:
                raise ValueError(
                    f"{asked}: question {name} is not in {self._official_file(name)}; get both again"
                )
            answer = official[name][_words(text)][1]
            seen[name] += 1
            picture = self._picture(name, line["image"])
            questions.append(
                Question(
                    f"{name}#{seen[name]}", _task(name), with_pictures(text), (picture,), answer, group=name
                )
            )
        odd = [name for name, count in seen.items() if count != 2]
        if odd:
            raise ValueError(
                f"{asked}: {len(odd)} pictures have not two questions, such as {odd[0]}; get it again from "
                f"{self.published}"
            )
        return questions

    def right_answer(self, question: Question) -> str:
        """Return `Yes` or `No`."""
        return str(question.answer).capitalize()

    def mark(self, question: Question, answer: str) -> Mark:
        """Read the first four characters, in small letters."""
        first = answer.lower()[:4]
        said = next((word for word in ("yes", "no") if word in first), None)
        return Mark(float(said == question.answer), said)

    def tally(self, questions: Sequence[Question], marks: Sequence[Mark]) -> Tally:
        """Return what is summed, by task; units are pictures."""
        return tally_groups(questions, marks)

    def metrics(self, sums: Mapping[str, Column]) -> dict[str, Column]:
        """Return points, and `accuracy` and `accuracy_plus`, which are shares, of all and of each task."""
        found = means(sums, "score", "count", "accuracy") | means(sums, "whole", "groups", "accuracy_plus")
        tasks = [name.removeprefix("groups/") for name in sums if name.startswith("groups/")]
        points = {task: 100 * (found[f"accuracy/{task}"] + found[f"accuracy_plus/{task}"]) for task in tasks}
        nothing = np.full_like(found["accuracy"], np.nan)
        for name, members in (("perception", PERCEPTION), ("cognition", COGNITION)):
            parts = [points[task] for task in members if task in points]
            found[name] = np.sum(parts, axis=0) if parts else nothing
        return found | {f"points/{task}": column for task, column in points.items()}

    def key_of(self, question_id: str, prompt: str | None) -> str:
        """Return the key of the question that LLaVA's id and its words name; other ids are keys already."""
        return self._keys.get((question_id, _words(prompt or "")), question_id)

    def write_upload(self, questions: Sequence[Question], answers: Sequence[str], folder: Path) -> Path:
        """Write a file for each task into a folder, for `calculation.py --results_dir`; return the folder.

        The two questions about a picture follow each other. Tabs and line breaks in an answer, which the
        tool cannot read, are spaces.
        """
        rows: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        official: dict[str, dict[str, tuple[str, str]]] = {}
        for question, answer in zip(questions, answers, strict=True):
            name = question.group
            if name not in official:
                official[name] = self._official(name)
            text, _ = official[name][_words(question.text)]
            said = "".join(" " if letter in "\t\n\r" else letter for letter in answer)
            row = [PurePosixPath(name).name, text, self.right_answer(question), said]
            rows[question.kind][name].append("\t".join(row) + "\n")
        results = folder / "mme"
        results.mkdir(parents=True, exist_ok=True)
        for task, pictures in rows.items():
            lines = [row for pair in pictures.values() for row in pair]
            (results / f"{task}.txt").write_text("".join(lines), "utf-8")
        return results

    @cached_property
    def _keys(self) -> dict[tuple[str, str], str]:
        """Each question's key by its picture and its words."""
        return {(question.group, _words(question.text)): question.key for question in self.questions()}

    def _asked(self, path: Path) -> list[dict[str, Any]]:
        """LLaVA's lines."""
        lines = list(self.read_lines(path))
        for number, line in enumerate(lines, 1):
            absent = [name for name in ("question_id", "image", "text") if name not in line]
            if absent:
                raise ValueError(
                    f"{path}: question {number} has no {absent[0]}; get it again from {self.published}"
                )
        return lines

    def _official_file(self, name: str) -> Path:
        """MME's file of a picture; as in LLaVA, a picture's name ends at its first period."""
        stem = PurePosixPath(name).name.split(".")[0]
        layouts = (f"{_task(name)}/questions_answers_YN/{stem}.txt", f"{_task(name)}/{stem}.txt")
        return self.find(*(f"{root}/{layout}" for root in ROOTS for layout in layouts))

    def _official(self, name: str) -> dict[str, tuple[str, str]]:
        """MME's question and its answer, `yes` or `no`, by the question's words."""
        path = self._official_file(name)
        found = {}
        try:
            for line in path.read_text("utf-8").split("\n"):
                if line.strip():
                    question, answer = line.strip().split("\t")
                    if answer.lower() not in {"yes", "no"}:
                        raise ValueError("an answer is neither Yes nor No")
                    found[_words(question)] = question, answer.lower()
        except ValueError as error:
            raise ValueError(
                f"{path} has not a question, a tab, and Yes or No in each line ({error}); get it again from "
                f"{self.published}"
            ) from error
        return found

    def _picture(self, name: str, image: str) -> Picture:
        """A picture under its task's name, since tasks number theirs alike."""
        file = PurePosixPath(image).name
        layouts = (image, f"{_task(name)}/images/{file}", f"{_task(name)}/{file}")
        names = [f"{root}/{layout}" for root in ROOTS for layout in layouts]
        return Picture(name, lambda: self.find(*names).read_bytes())


def _task(name: str) -> str:
    return name.split("/")[0]


def _words(text: str) -> str:
    """What is asked, without what says how to answer."""
    for frame in (IMAGE_PLACEHOLDER, SHORT, OFFICIAL_LAST_WORDS):
        text = text.replace(frame, " ")
    return " ".join(text.split())
