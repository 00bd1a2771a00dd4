"""TextCaps (arXiv:2003.12462): TextCaps_0.1_train.json, and TextVQA_Rosetta_OCR_v0.2_train.json.

One record for each picture. Of its five captions the answer is the one with the smallest `caption_id`: which
LLaVA-1.5 took is not published. With `ocr=` the words that Rosetta read stand under the question as in
LLaVA-1.5, and an empty list of them if it read none. The train split gives its 21,953 records.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from vlm.corpus.formats.conversation import group, make_record
from vlm.corpus.formats.ocr import ocr_lines
from vlm.corpus.formats.prompts import CAPTION
from vlm.corpus.formats.rows import read_rows
from vlm.options import MISSING


@dataclass
class Options:
    """What the format reads."""

    annotations: str = MISSING
    ocr: str | None = None
    prefix: str = "textvqa/train_images"


def convert(options: Options) -> Iterator[dict[str, Any]]:
    """Yield LLaVA records.

    Raises:
        ValueError: A file is not as it should be, or a picture's words are not in `ocr`.
    """
    kinds = {"image_id": str, "caption_id": int, "caption_str": str}
    rows = read_rows("annotations", options.annotations, kinds, "data")
    line = ocr_lines(options.annotations, options.ocr)
    captions = group((row["image_id"], (row["caption_id"], row["caption_str"])) for row in rows)
    for image, numbered in captions.items():
        question = "\n".join([CAPTION, *line(image)])
        yield make_record(image, f"{options.prefix}/{image}.jpg", [(question, min(numbered)[1].strip())])
