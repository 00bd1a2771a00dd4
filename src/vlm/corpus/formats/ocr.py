"""Words that an OCR system read in pictures: TextVQA publishes them, and LLaVA-1.5 writes them in prompts."""

from collections.abc import Mapping, Sequence

from vlm.corpus.formats.rows import read_rows


def ocr_line(tokens: Sequence[object]) -> str:
    """Return the line of a prompt that holds the words; it stands there if there is none, too."""
    return f"Reference OCR token: {', '.join(map(str, tokens))}"


def read_ocr_lines(path: str) -> dict[str, str]:
    """Return the line of each picture of a file `ocr=`, such as TextVQA_Rosetta_OCR_v0.2_train.json.

    Raises:
        ValueError: The file is not as it should be.
    """
    rows = read_rows("ocr", path, {"image_id": str, "ocr_tokens": list}, "data")
    return {row["image_id"]: ocr_line(row["ocr_tokens"]) for row in rows}


def find_ocr_line(lines: Mapping[str, str], image: str, annotations: str, ocr: str) -> str:
    """Return the line of a picture.

    Args:
        lines: By picture.
        image: Which.
        annotations: File that names it, for messages.
        ocr: File of the words, for messages.

    Raises:
        ValueError: The picture is in one file only.
    """
    if image not in lines:
        raise ValueError(
            f"annotations={annotations}: image {image} is not in ocr={ocr}; take both of one split"
        )
    return lines[image]
