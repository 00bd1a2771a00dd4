"""Answers that anybody made, joined to a benchmark's questions by their ids."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlm.benchmark.question import Question
from vlm.data.sample import IMAGE_PLACEHOLDER

KeyOf = Callable[[str, str | None], str]
"""(id, prompt) of a given answer to the key of the question that it answers, or to any other string."""
ID_FIELDS = ("question_id", "questionId", "id")
FORMS = (
    "LLaVA's question_id and text, lmms-eval's doc_id and resps or filtered_resps, our key and answer, or "
    "one object of answers by id"
)
REMEDY = "delete what is torn, or let the run that writes it finish"


@dataclass(frozen=True)
class GivenAnswer:
    """One answer of a file.

    Args:
        key: What the file names the question by.
        text: What was said.
        prompt: What was asked, if the file says it.
        line: Where it stands in a file of lines; else its place among the answers, from 1.
    """

    key: str
    text: str
    prompt: str | None
    line: int


@dataclass(frozen=True)
class Joined:
    """Answers to a benchmark's questions.

    Args:
        answers: By the questions' keys; what was not answered is not there.
        num_answered: Questions that have an answer.
        num_missing: Questions that have none.
        num_duplicated: Answers that were left out since their question had one.
    """

    answers: dict[str, str]
    num_answered: int
    num_missing: int
    num_duplicated: int


def read_answers(path: Path) -> list[GivenAnswer]:
    """Read a file of answers, whose form is seen from what is in it, not from its name.

    Read are LLaVA's answer lines; lmms-eval's samples (`--log_samples`), in lines or as one JSON; lines of
    `key` and `answer`; and one JSON object of answers by id, as MM-Vet takes them.

    lmms-eval's answer is the one that it scores itself, the first if there are several. Its id is that of
    the question if the sample still has it, in `doc` or in a metric, else the place in its data set.

    Raises:
        ValueError: The file is missing, empty, torn or of another form.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}); name a file of answers") from error
    given = [_given(record, number, path) for number, record in _records(path, raw)]
    if not given:
        raise ValueError(f"{path} has no answer; name a file of answers")
    return given


def join(
    questions: Sequence[Question], given: Sequence[GivenAnswer], path: Path, incomplete: bool, key_of: KeyOf
) -> Joined:
    """Find each answer's question.

    Args:
        questions: All that count.
        given: In any order.
        path: Where they are from, to name it.
        incomplete: Questions without an answer are left without, and of several answers to a question the
            first counts. False refuses both.
        key_of: The benchmark's own.

    Raises:
        ValueError: Answers belong to no question, are to another question than their id says, or (unless
            `incomplete`) are several to one question or lacking.
    """
    asked = {question.key: question for question in questions}
    keys = [key_of(answer.key, answer.prompt) for answer in given]
    pairs = list(zip(keys, given, strict=True))
    foreign = [answer.key for key, answer in pairs if key not in asked]
    _refuse(path, foreign, "belong to no question", "give the answers to this benchmark and split")
    other = [answer.key for key, answer in pairs if not _is_aligned(asked[key], answer.prompt)]
    _refuse(path, other, "have another prompt than their question", "give each the id that it answers")
    answers: dict[str, str] = {}
    for key, answer in pairs:
        answers.setdefault(key, answer.text)
    missing = [key for key in asked if key not in answers]
    if not incomplete:
        several = [key for key, count in Counter(keys).items() if count > 1]
        _refuse(path, several, "come more than once", "keep one each, or allow it with incomplete=true")
        _refuse(path, missing, "are missing", "answer the rest, or allow it with incomplete=true")
    return Joined(answers, len(answers), len(missing), len(given) - len(answers))


def _refuse(path: Path, ids: Sequence[str], defect: str, remedy: str) -> None:
    """Raise if there is any id."""
    if ids:
        named = ", ".join(ids[:5]) + (", ..." if len(ids) > 5 else "")
        raise ValueError(f"{path}: {len(ids)} answers {defect} (ids {named}); {remedy}")


def _is_aligned(question: Question, prompt: str | None) -> bool:
    """Return whether a prompt is the question, or its first lines, as LLaVA saves some."""
    if prompt is None:
        return True
    said, asked = (text.replace(IMAGE_PLACEHOLDER, "").strip() for text in (prompt, question.text))
    return said == asked or (said != "" and asked.startswith(f"{said}\n"))


class _Object(dict[str, Any]):
    """An object that still knows the names that it has twice."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs


def _records(path: Path, raw: bytes) -> Iterator[tuple[int, Any]]:
    """Yield numbered records from a file of lines, or from one JSON."""
    # Not splitlines: an answer may have characters that it takes for the end of a line.
    lines = [(number, line) for number, line in enumerate(raw.split(b"\n"), 1) if line.strip()]
    if len(lines) > 1 and _is_object(lines[0][1]):
        for number, line in lines:
            try:
                yield number, json.loads(line)
            except ValueError as error:
                raise ValueError(f"{path}, line {number}, is not JSON ({error}); {REMEDY}") from error
        return
    try:
        value = json.loads(raw, object_pairs_hook=_Object) if lines else []
    except UnicodeDecodeError as error:
        number = raw[: error.start].count(b"\n") + 1
        raise ValueError(f"{path}, line {number}, is not UTF-8; {REMEDY}") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}, line {error.lineno}, is not JSON ({error}); {REMEDY}") from error
    yield from enumerate(_listed(value), 1)


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _listed(value: Any) -> list[Any]:
    """Return the records of one JSON."""
    if not isinstance(value, _Object):
        return value if isinstance(value, list) else [value]
    if isinstance(value.get("logs"), list):  # lmms-eval's samples were once in one file with its settings
        return value["logs"]
    if "doc_id" in value or {"question_id", "text"} <= set(value) or {"key", "answer"} <= set(value):
        return [value]
    return [{"key": key, "answer": answer} for key, answer in value.pairs]


def _given(record: Any, line: int, path: Path) -> GivenAnswer:
    """Read one record."""
    where = f"{path}, line or place {line},"
    fields = set(record) if isinstance(record, dict) else set()
    if {"question_id", "text"} <= fields:
        key, text, prompt = record["question_id"], record["text"], record.get("prompt")
    elif "doc_id" in fields and fields & {"resps", "filtered_resps"}:
        key, text, prompt = _sample_id(record), _sample_text(record), _sample_prompt(record)
    elif {"key", "answer"} <= fields:
        key, text, prompt = record["key"], record["answer"], record.get("prompt")
    else:
        raise ValueError(f"{where} has none of the forms that are read: {FORMS}")
    if not isinstance(text, str) or not isinstance(key, str | int):
        raise ValueError(f"{where} lacks an id or a text; read are {FORMS}")
    return GivenAnswer(str(key), text, prompt if isinstance(prompt, str) else None, line)


def _sample_id(sample: dict[str, Any]) -> Any:
    """Return the question's own id from lmms-eval's sample, whose `doc` newer versions leave out."""
    for source in (sample.get("doc"), *sample.values()):
        if isinstance(source, dict):
            for name in ID_FIELDS:
                if isinstance(source.get(name), str | int):
                    return source[name]
    return sample["doc_id"]


def _sample_text(sample: dict[str, Any]) -> Any:
    """Return the first answer; each version of lmms-eval wraps it in another number of lists."""
    said = sample.get("filtered_resps", sample.get("resps"))
    if isinstance(said, list) and len(said) > 1 and isinstance(said[0], list):
        return None  # one likelihood for each option, which is no answer
    while isinstance(said, list) and said:
        said = said[0]
    return said


def _sample_prompt(sample: dict[str, Any]) -> Any:
    """Return what was asked: `input` now, once the first of the `arguments`."""
    arguments = sample.get("arguments")
    return sample.get("input", arguments[0] if isinstance(arguments, list) and arguments else None)
