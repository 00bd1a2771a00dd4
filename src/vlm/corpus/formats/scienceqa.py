"""ScienceQA (arXiv:2209.09513): problems.json and pid_splits.json, as LLaVA's QCM-LEA.

The human gives question, context and options, and the picture last; the answer is lecture, solution and
letter. Spaces are thinned and labels taken out as by LLaVA's convert_sqa_to_llava.py (arXiv:2304.08485,
section 5.2), but an answer without lecture and solution does not begin with the space that it leaves there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import ascii_uppercase
from types import NoneType
from typing import Any

from vlm.corpus.formats.read import read_json
from vlm.corpus.formats.rows import Kind, check_row, read_table
from vlm.data.sample import IMAGE_PLACEHOLDER
from vlm.options import MISSING

_KINDS: dict[str, Kind] = {
    "question": str, "choices": list, "answer": int, "hint": str, "image": (str, NoneType), "lecture": str,
    "solution": str, "split": str,
}  # fmt: skip


@dataclass
class Options:
    """What the format reads."""

    problems: str = MISSING
    splits: str = MISSING
    split: str = "train"
    prefix: str = "scienceqa/images"


def convert(options: Options) -> Iterator[dict[str, Any]]:
    """Yield LLaVA records in the order of the split.

    Raises:
        ValueError: A file is not as it should be, the split is none, or a problem of it is missing or has no
            such answer.
    """
    problems = read_table("problems", options.problems, _KINDS)
    for name in _split(options):
        place = f"problems={options.problems}: problem {name}"
        if name not in problems:
            raise ValueError(f"{place} is missing, but in splits={options.splits}; take both of one release")
        problem = problems[name]
        if not 0 <= problem["answer"] < len(problem["choices"]) <= len(ascii_uppercase):
            raise ValueError(
                f"{place} has {len(problem['choices'])} choices and answer {problem['answer']}; "
                "take the official file as it was released"
            )
        yield _record(name, problem, options.prefix)


def _split(options: Options) -> list[str]:
    splits = check_row(f"splits={options.splits}", read_json("splits", Path(options.splits)), {})
    if not isinstance(splits.get(options.split), list):
        known = ", ".join(splits)
        raise ValueError(f"split={options.split} is not in splits={options.splits}; choose one of {known}")
    return splits[options.split]


def _record(name: str, problem: dict[str, Any], prefix: str) -> dict[str, Any]:
    letters = zip(ascii_uppercase, problem["choices"], strict=False)
    options = " ".join(f"({letter}) {choice}" for letter, choice in letters)
    context = problem["hint"].strip() or "N/A"
    question = _thin(f"{problem['question']}\nContext: {context}\nOptions: {options}", "Question: ")
    letter = ascii_uppercase[problem["answer"]]
    answer = _thin(f"{problem['lecture']} {problem['solution']} The answer is {letter}.", "Answer: ")
    record: dict[str, Any] = {"id": name}
    if problem["image"]:
        record["image"] = f"{prefix}/{problem['split']}/{name}/{problem['image']}"
        question = f"{question}\n{IMAGE_PLACEHOLDER}"
    turns = [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]
    return record | {"conversations": turns}


def _thin(text: str, label: str) -> str:
    return text.strip().replace("  ", " ").strip().replace(label, "")
