"""CHAIR: how much of what a caption names is not in the picture? (Rohrbach et al. 2018, arXiv:1809.02156)."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np

from vlm.benchmark.base import Benchmark
from vlm.benchmark.exact_match import ExactMatch
from vlm.benchmark.folder import FolderBenchmark
from vlm.benchmark.prompt import with_pictures
from vlm.benchmark.question import Mark, Question
from vlm.benchmark.tally import Column, Tally, ratio
from vlm.corpus.formats.conversation import group
from vlm.corpus.formats.rows import read_rows
from vlm.corpus.objects.annotations import Annotated, read_coco, read_yolo
from vlm.corpus.objects.article import with_article
from vlm.corpus.objects.coco_words import make_vocabulary
from vlm.corpus.objects.words import Vocabulary, read_words
from vlm.corpus.shapes.scene import COLORS, SHAPES

SUMMED = ("captions", "untrue", "mentions", "untrue_mentions", "named", "found", "present", "words")


@dataclass(frozen=True, kw_only=True)
class CaptionMark(Mark):
    """A mark whose score is the caption's own F1 and whose evidence is what it names that is not there.

    Args:
        mentions: How often it names a thing.
        untrue_mentions: How often one that is not there.
        named: Things that it names.
        found: Those of them that are there.
        words: Of the caption, parted at spaces.
    """

    mentions: int
    untrue_mentions: int
    named: int
    found: int
    words: int


class CaptionBenchmark(Benchmark):
    """Captions, held against a list of what is in their picture, which is a question's answer.

    `chair_i` is the share of mentions that are of things not there, and `chair_s` that of captions with such
    a mention; both are CHAIR's, and better when lower. A caption that says nothing hallucinates nothing. So
    beside them stand `recall`, the share of things there that are named, `mentions` and `words`, both a
    caption, and `f1` of the different things named and there, by which models are compared.
    """

    headline = "f1"

    @property
    @abstractmethod
    def vocabulary(self) -> Vocabulary:
        """What things are called; `questions` may be asked first."""

    def mark(self, question: Question, answer: str) -> CaptionMark:
        """Find what the caption names."""
        present = set(question.answer)
        said = self.vocabulary.mentions(answer)
        untrue = [name for name in said if name not in present]
        named, found = len(set(said)), len(set(said) & present)
        score = 2 * found / (named + len(present)) if named or present else 1.0
        return CaptionMark(
            score, ", ".join(said) or None, ", ".join(untrue), mentions=len(said),
            untrue_mentions=len(untrue), named=named, found=found, words=len(answer.split()),
        )  # fmt: skip

    def tally(self, questions: Sequence[Question], marks: Sequence[Mark]) -> Tally:
        """Return what is counted in each caption."""
        rows = [
            (
                1, mark.untrue_mentions > 0, mark.mentions, mark.untrue_mentions, mark.named, mark.found,
                len(set(question.answer)), mark.words,
            )
            for question, mark in zip(questions, cast("Sequence[CaptionMark]", marks), strict=True)
        ]  # fmt: skip
        table = np.asarray(rows, dtype=np.float64).reshape(len(rows), len(SUMMED))
        columns = dict(zip(SUMMED, table.T, strict=True))
        return Tally([question.cluster for question in questions], columns)

    def metrics(self, sums: Mapping[str, Column]) -> dict[str, Column]:
        """Return CHAIR and what gives it a meaning; of captions that name nothing, `chair_i` is NaN."""
        return {
            "f1": ratio(2 * sums["found"], sums["named"] + sums["present"]),
            "chair_i": ratio(sums["untrue_mentions"], sums["mentions"]),
            "chair_s": ratio(sums["untrue"], sums["captions"]),
            "recall": ratio(sums["found"], sums["present"]),
            "mentions": ratio(sums["mentions"], sums["captions"]),
            "words": ratio(sums["words"], sums["captions"]),
        }

    def right_answer(self, question: Question) -> str:
        """Return a sentence that names all that is there."""
        return f"There is {', '.join(map(with_article, question.answer)) or 'nothing'}."


class CHAIR(CaptionBenchmark, FolderBenchmark):
    """Captions of pictures whose things are boxed: COCO's, or anybody's.

    As in the authors' script, a thing is there if it has a box or if one of the `captions` that people wrote
    names it, and every mention counts. What differs: the words for COCO's things and their plurals are ours
    (see `corpus/objects/coco_words.py`); phrases in which a word means something else are passed over, and
    so is the color orange; the prompt is the caller's.

    Args:
        folder: Where the files are.
        max_new_tokens: An answer is cut there.
        annotations: COCO's instances_*.json within the folder, or a folder of YOLO's label files.
        names: YAML file that names what YOLO's labels number; None if the annotations are COCO's.
        captions: COCO's captions_*.json of the same pictures; None counts boxes alone.
        pictures: Folder of the pictures within the folder; empty if it is this one.
        words: File of words for the things, a thing and its words in each line, such as the authors'
            `synonyms.txt`; None takes ours.
        prompt: What is asked.
    """

    published = "https://cocodataset.org (annotations_trainval2014.zip and val2014.zip)"

    def __init__(
        self,
        folder: str,
        max_new_tokens: int,
        annotations: str,
        names: str | None,
        captions: str | None,
        pictures: str,
        words: str | None,
        prompt: str,
    ) -> None:
        super().__init__(folder, max_new_tokens)
        if names is not None and captions is not None:
            raise ValueError(
                f"captions={captions} cannot go with names={names}, since YOLO's pictures have no ids; set "
                "captions to null"
            )
        self.annotations, self.names, self.captions = annotations, names, captions
        self.pictures, self.words, self.prompt = pictures, words, prompt

    def files(self) -> list[Path]:
        """The annotations, with what else they are read by."""
        found = [self.find(self.annotations)]
        if self.names is not None:
            found = [*sorted(found[0].rglob("*.txt")), self.find(self.names)]
        return found + [self.find(name) for name in (self.captions, self.words) if name is not None]

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """What the things of the annotations are called."""
        words = None
        if self.words is not None:
            path = self.find(self.words)
            words = read_words(str(path), path.read_text("utf-8"))
        return make_vocabulary({name for picture in self._annotated for name in picture.objects}, words)

    @cached_property
    def _annotated(self) -> list[Annotated]:
        path = str(self.find(self.annotations))
        if self.names is None:
            return read_coco(path)
        return read_yolo(path, str(self.find(self.names)), str(self.folder / self.pictures))

    def questions(self) -> list[Question]:
        """Return one for each picture, in the order of the annotations; the key is the picture's path."""
        self.files()  # named if one is missing
        described = self._described()
        questions = []
        for picture in self._annotated:
            present = {*picture.objects, *described.get(picture.number, ())}
            shown = self.picture(str(Path(self.pictures, picture.image)), picture.image)
            text = with_pictures(self.prompt)
            questions.append(Question(picture.image, "", text, (shown,), sorted(present)))
        return questions

    def _described(self) -> dict[int | None, list[str]]:
        """Return what people's captions name, by picture."""
        if self.captions is None:
            return {}
        kinds = {"image_id": int, "caption": str}
        rows = read_rows("captions", str(self.find(self.captions)), kinds, "annotations")
        named: Iterator[tuple[int | None, str]] = (
            (row["image_id"], name) for row in rows for name in self.vocabulary.mentions(row["caption"])
        )
        return group(named)


class ShapesCHAIR(CaptionBenchmark, ExactMatch):
    """Captions of the shapes world, whose reference names every shape: a `red circle` is one thing."""

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """Every color of every shape."""
        return Vocabulary({f"{color} {shape}": () for color in COLORS for shape in SHAPES})

    def questions(self) -> list[Question]:
        """Return the shards' captions, each with the shapes that it names."""
        return [
            Question(
                question.key, "", question.text, question.pictures,
                sorted(set(self.vocabulary.mentions(question.answer))),
            )
            for question in super().questions()
        ]  # fmt: skip
