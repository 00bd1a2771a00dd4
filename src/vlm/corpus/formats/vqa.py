"""VQA's pair of files, questions and annotations, merged into one conversation for each picture."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from vlm.corpus.formats.coco import coco_file, coco_name
from vlm.corpus.formats.conversation import group, make_record, with_prompt
from vlm.corpus.formats.prompts import SHORT_ANSWER
from vlm.corpus.formats.rows import OFFICIAL_REMEDY, Kind, read_rows

_QUESTION: Mapping[str, Kind] = {"question_id": int, "image_id": int, "question": str}


def merge_answers(
    questions: str,
    annotations: str,
    prefix: str,
    kinds: Mapping[str, Kind],
    answer: Callable[[dict[str, Any]], str],
) -> Iterator[dict[str, Any]]:
    """Yield a record for each picture, in the order of its smallest question id.

    Args:
        questions: File with a list under `questions`.
        annotations: File with a list under `annotations`.
        prefix: Folder of the pictures.
        kinds: What an annotation holds beside its question's id.
        answer: What an annotation says.

    Raises:
        ValueError: A file is not as it should be, or a question has no annotation.
    """
    asked = read_rows("questions", questions, _QUESTION, "questions")
    annotated = read_rows("annotations", annotations, {"question_id": int, **kinds}, "annotations")
    answers = {row["question_id"]: answer(row) for row in annotated}
    for row in asked:
        if row["question_id"] not in answers:
            raise ValueError(
                f"questions={questions}: question {row['question_id']} is not in annotations={annotations}; "
                "take both of one release and split"
            )
    asked.sort(key=lambda row: row["question_id"])
    turns = group((row["image_id"], (row["question"], answers[row["question_id"]])) for row in asked)
    for image, merged in turns.items():
        yield make_record(coco_name(image), coco_file(prefix, image), with_prompt(merged, SHORT_ANSWER))


def most_frequent(place: str, said: Sequence[str], remedy: str = OFFICIAL_REMEDY) -> str:
    """Return what most people said, of equally frequent answers the first.

    Args:
        place: File and row, for messages.
        said: By each of them.
        remedy: What to do if nobody did.

    Raises:
        ValueError: Nobody said anything.
    """
    if not said:
        raise ValueError(f"{place} are none; {remedy}")
    return Counter(said).most_common(1)[0][0]
