"""AI2D: questions about diagrams from school books (Kembhavi et al. 2016, arXiv:1603.07396)."""

import hashlib
import io
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from vlm.benchmark.folder import FolderBenchmark
from vlm.benchmark.letters import inferred_letter
from vlm.benchmark.prompt import LETTER, lettered, with_pictures
from vlm.benchmark.question import Mark, Picture, Question

LARGEST_FONT = 100


class AI2D(FolderBenchmark):
    """The test questions, asked as LLaVA asks those with options, and read by VLMEvalKit's rules.

    Reads the folder of `ai2d-all.zip` (`questions/`, `annotations/`, `images/`) with `ai2d_test_ids.csv` put
    into it. Pictures without a question are left out.

    Many questions ask about letters that stand in the place of the diagram's words (`abcLabel`). AI2D
    publishes where and which, not the pictures, so they are drawn here: black on white, as large as the
    word's box holds. `accuracy/letters` is of these questions, `accuracy/words` of the others. AI2D has no
    scorer of its own.

    Args:
        folder: Where they are.
        max_new_tokens: An answer is cut there.
    """

    published = "https://prior.allenai.org/projects/diagram-understanding"

    def files(self) -> list[Path]:
        """The numbers of the test pictures; what else is read depends on them."""
        return [self.find("ai2d_test_ids.csv")]

    def content(self) -> str:
        """Return a hash of these, the questions and where letters are drawn."""
        paths = self.files()
        for path in self._question_files():
            paths += [path, *filter(Path.exists, [self.folder / "annotations" / path.name])]
        hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
        return hashlib.sha256("".join(hashes).encode()).hexdigest()

    def questions(self) -> list[Question]:
        """Return them in the order of the pictures' numbers."""
        questions = []
        for path in self._question_files():
            content = self.read_json(path)
            image = content["imageName"]
            plain, drawn = self.picture(f"images/{image}"), self._drawn(image)
            for asked, record in content["questions"].items():
                choices = tuple(str(choice) for choice in record["answerTexts"])
                text = with_pictures(f"{asked}\n{lettered(choices)}\n{LETTER}")
                picture, kind = (drawn, "letters") if record["abcLabel"] else (plain, "words")
                answer = "ABCD"[int(record["correctAnswer"])]
                key = record["questionId"]
                questions.append(Question(key, kind, text, (picture,), answer, choices, images=image))
        return questions

    def mark(self, question: Question, answer: str) -> Mark:
        """Read a letter."""
        letter = inferred_letter(answer, question.choices)
        return Mark(float(letter == question.answer), letter)

    def right_answer(self, question: Question) -> str:
        """Return the letter."""
        return str(question.answer)

    def _question_files(self) -> list[Path]:
        (ids,) = self.files()
        numbers = {line.strip().removesuffix(".png") for line in ids.read_text().splitlines()}
        names = [f"{number}.png.json" for number in sorted(numbers, key=lambda number: number.zfill(9))]
        folder = self.folder / "questions"
        paths = [path for name in names if (path := folder / name).exists()]
        if not paths:
            raise ValueError(
                f"{folder} has no question about a picture of {ids}; get it from {self.published}"
            )
        return paths

    def _drawn(self, image: str) -> Picture:
        """Return the picture with letters in the place of its words."""

        def read() -> bytes:
            words = self.read_json(self.find(f"annotations/{image}.json"))["text"]
            return draw_letters(self.find(f"images/{image}").read_bytes(), words)

        return Picture(f"letters of {image}", read)


def draw_letters(picture: bytes, words: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Return a picture, as PNG, whose words are white boxes with a letter in each.

    Args:
        picture: An encoded file.
        words: Each with `rectangle`, two corners in pixels, and `replacementText`.
    """
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    draw = ImageDraw.Draw(image)
    for word in words.values():
        (left, top), (right, bottom) = word["rectangle"]
        draw.rectangle((left, top, right, bottom), fill="white")
        letter = str(word["replacementText"])
        for size in range(LARGEST_FONT, 0, -1):
            box = draw.textbbox((0, 0), letter, font=font_of(size))
            width, height = box[2] - box[0], box[3] - box[1]
            if width <= right - left and height <= bottom - top:
                break
        corner = (left + right - width) / 2 - box[0], (top + bottom - height) / 2 - box[1]
        draw.text(corner, letter, fill="black", font=font_of(size))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


@cache
def font_of(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return Pillow's font in a size, in pixels; reading it each time takes longer than drawing."""
    return ImageFont.load_default(size)
