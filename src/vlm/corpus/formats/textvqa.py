"""TextVQA (arXiv:1904.08920): TextVQA_0.5.1_train.json, and TextVQA_Rosetta_OCR_v0.2_train.json.

All questions on a picture are one conversation, in the order of their ids; the answer is the most frequent
of the ten, of equally frequent ones the first. With `ocr=` the words that Rosetta read stand between the
question and the format prompt, as LLaVA-1.5 asks when it is evaluated; it is not trained on this set.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from vlm.corpus.formats.conversation import group, make_record, with_prompt
from vlm.corpus.formats.ocr import ocr_lines
from vlm.corpus.formats.prompts import SHORT_ANSWER
from vlm.corpus.formats.rows import Kind, read_rows
from vlm.corpus.formats.vqa import most_frequent
from vlm.options import MISSING

_KINDS: dict[str, Kind] = {"question_id": int, "image_id": str, "question": str, "answers": list}


@dataclass
class Options:
    """What the format reads."""

    annotations: str = MISSING
    ocr: str | None = None
    prefix: str = "textvqa/train_images"


def convert(options: Options) -> Iterator[dict[str, Any]]:
    """Yield LLaVA records, in the order of each picture's smallest question id.

    Raises:
        ValueError: A file is not as it should be, a question has no answer, or a picture's words are not in
            `ocr`.
    """
    rows = read_rows("annotations", options.annotations, _KINDS, "data")
    line = ocr_lines(options.annotations, options.ocr)
    turns = group(
        (row["image_id"], (row["question"], _answer(options.annotations, row)))
        for row in sorted(rows, key=lambda row: row["question_id"])
    )
    for image, merged in turns.items():
        prompt = "\n".join([*line(image), SHORT_ANSWER])
        yield make_record(image, f"{options.prefix}/{image}.jpg", with_prompt(merged, prompt))


def _answer(file: str, row: dict[str, Any]) -> str:
    place = f"annotations={file}: answers to question {row['question_id']}"
    return most_frequent(place, [str(said) for said in row["answers"]])
