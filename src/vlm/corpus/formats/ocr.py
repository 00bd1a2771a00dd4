"""Words that an OCR system read in pictures: TextVQA publishes them, and LLaVA-1.5 writes them in prompts."""

from collections.abc import Callable, Sequence

from vlm.corpus.formats.rows import read_rows


def ocr_line(tokens: Sequence[object]) -> str:
    """Return the line of a prompt that holds the words; it stands there if there is none, too."""
    return f"Reference OCR token: {', '.join(map(str, tokens))}"


def ocr_lines(annotations: str, ocr: str | None) -> Callable[[str], list[str]]:
    """Return what gives the line of a picture, as a list; an empty one if nobody read the pictures.

    Args:
        annotations: File that names the pictures, for messages.
        ocr: File of the words, such as TextVQA_Rosetta_OCR_v0.2_train.json. What is returned raises a
            ValueError for a picture that is not in it.

    Raises:
        ValueError: The file is not as it should be.
    """
    if ocr is None:
        return lambda image: []
    rows = read_rows("ocr", ocr, {"image_id": str, "ocr_tokens": list}, "data")
    lines = {row["image_id"]: ocr_line(row["ocr_tokens"]) for row in rows}

    def find(image: str) -> list[str]:
        if image not in lines:
            raise ValueError(
                f"annotations={annotations}: image {image} is not in ocr={ocr}; take both of one split"
            )
        return [lines[image]]

    return find
