"""Files of answers in every form, and every way in which they may not be the answers to the questions."""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SHARED
from vlm.benchmark.answers import GivenAnswer, Joined, join, read_answers
from vlm.benchmark.pope import POPE
from vlm.benchmark.question import Question

SHORT = "Answer the question using a single word or phrase."
HERE = Path("answers.jsonl")


def ask(*keys: str, text: str = "<image>\nIs there a {}?\n" + SHORT) -> list[Question]:
    return [Question(key, "", text.format(key), (), "yes") for key in keys]


def give(*keys: str, prompt: str | None = "Is there a {}?\n" + SHORT) -> list[GivenAnswer]:
    return [
        GivenAnswer(key, f"said {key}", prompt and prompt.format(key), line)
        for line, key in enumerate(keys, 1)
    ]


def same_key(question_id: str, prompt: str | None) -> str:
    return question_id


def join_all(questions: Sequence[Question], given: Sequence[GivenAnswer], incomplete: bool = False) -> Joined:
    return join(questions, given, HERE, incomplete, same_key)


def write(path: Path, *records: Any) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    return path


SAMPLE = {"doc_id": 3, "target": "Yes", "token_counts": [{"output_tokens": 1}], "doc_hash": "0"}
THOUGHT = {"filtered_resps": "No", "resps": ["<think>a</think>No"], "input": "Is it?"}
METRIC = {"pope_accuracy": {"question_id": "77", "score": 1.0}}
OLD = {"doc": {"question_id": "v1_2"}, "resps": [["a", "b"]], "arguments": ["Is it?", {"until": []}]}


@pytest.mark.parametrize(
    ("record", "key", "text", "prompt"),
    [
        ({"question_id": 4, "prompt": "Is it?", "text": "Yes", "metadata": {}}, "4", "Yes", "Is it?"),
        ({"question_id": "4", "text": ""}, "4", "", None),
        ({"key": "color-3", "answer": "red"}, "color-3", "red", None),
        # lmms-eval as it is now: no doc, one answer without a list around it, the prompt in `input`
        (SAMPLE | {"filtered_resps": "Yes", "input": "Is it?"}, "3", "Yes", "Is it?"),
        (SAMPLE | THOUGHT | METRIC, "77", "No", "Is it?"),
        # as it was: lists in lists, the doc, the arguments
        (SAMPLE | OLD, "v1_2", "a", "Is it?"),
        (SAMPLE | OLD | {"doc": {"questionId": 12}, "arguments": {"0": 1}}, "12", "a", None),
        (SAMPLE | OLD | METRIC | {"doc": {"id": 5}, "filtered_resps": [["c"]]}, "5", "c", "Is it?"),
    ],
)
@pytest.mark.parametrize("lines", [1, 2])
def test_a_line_is_read_by_what_is_in_it(
    record: dict[str, Any], key: str, text: str, prompt: str | None, lines: int, tmp_path: Path
) -> None:
    given = read_answers(write(tmp_path / "any.name", *[record] * lines))
    assert given == [GivenAnswer(key, text, prompt, line) for line in range(1, lines + 1)]


def test_one_object_has_answers_by_id(tmp_path: Path) -> None:
    answers = {"v1_0": "x = 1", "v1_1": "no", "v1_2": ""}
    for indent in (None, 2):
        (tmp_path / "answers").write_text(json.dumps(answers, indent=indent))
        given = read_answers(tmp_path / "answers")
        assert [(answer.key, answer.text) for answer in given] == list(answers.items())


def test_an_object_may_have_an_id_twice(tmp_path: Path) -> None:
    (tmp_path / "answers").write_text('{"1": "yes",\n "2": "no",\n "1": "no"}')
    given = read_answers(tmp_path / "answers")
    assert [(answer.key, answer.text, answer.line) for answer in given] == [
        ("1", "yes", 1), ("2", "no", 2), ("1", "no", 3),
    ]  # fmt: skip
    with pytest.raises(ValueError, match=r"1 answers come more than once \(ids 1\)"):
        join_all(ask("1", "2"), given)


@pytest.mark.parametrize("wrap", [lambda samples: samples, lambda samples: {"args": {}, "logs": samples}])
def test_lmms_evals_samples_may_be_one_json(wrap: Callable[[Any], Any], tmp_path: Path) -> None:
    samples = [{"doc_id": number, "filtered_resps": [f"said {number}"]} for number in (1, 0)]
    (tmp_path / "samples").write_text(json.dumps(wrap(samples), indent=2))
    assert [(answer.key, answer.text) for answer in read_answers(tmp_path / "samples")] == [
        ("1", "said 1"), ("0", "said 0"),
    ]  # fmt: skip


def test_lines_end_where_lines_end(tmp_path: Path) -> None:
    text = "a\u2028b\u0085c\rd"
    path = tmp_path / "answers"
    path.write_bytes(
        b"\xef\xbb\xbf" + b"\r\n\r\n".join(
            json.dumps({"key": key, "answer": text}, ensure_ascii=False).encode() for key in ("1", "2")
        )
    )  # fmt: skip
    assert [(answer.text, answer.line) for answer in read_answers(path)] == [(text, 1), (text, 3)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b'{"key": "1", "answer": "a"}\n{"key": "2", "ans',
            r"answers, line 2, is not JSON .*; delete what is torn",
        ),
        (b'{"key": "1", "answer": "a"}\n{"key": "2", "answer": "\xc3', "answers, line 2, is not JSON"),
        (b'{\n"1": "a",\n"2": "b', r"answers, line 3, is not JSON .*; delete what is torn"),
        (b'{\n"1": "a",\n"2": "\xc3', "answers, line 3, is not UTF-8; delete what is torn"),
        (b'{"key": "1", "ans', "answers, line 1, is not JSON"),
        (b"", "answers has no answer; name a file of answers"),
        (b"\n\n", "answers has no answer"),
        (b"[]", "answers has no answer"),
        (b'{"question_id": 1, "answer": 3}\n{"question_id": 2}', "line or place 1, has none of the forms"),
        (b"[3]", "line or place 1, has none of the forms that are read: LLaVA's question_id and text"),
        (b"3", "line or place 1, has none of the forms"),
        (b'{"1": "a", "2": 3}', "line or place 2, lacks an id or a text"),
        (b'{"question_id": null, "text": "a"}', "line or place 1, lacks an id or a text"),
        (b'{"doc_id": 0, "filtered_resps": [["-3.1", "False"], ["-2.0", "True"]]}', "lacks an id or a text"),
        (b'{"doc_id": 0, "filtered_resps": []}', "lacks an id or a text"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "answers").write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        read_answers(tmp_path / "answers")
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nothing cannot be read \(No such file.*\); name a file"):
        read_answers(tmp_path / "nothing")


@pytest.mark.parametrize("incomplete", [False, True])
def test_answers_are_joined_by_id(incomplete: bool) -> None:
    joined = join_all(ask("1", "2", "3"), give("3", "1", "2"), incomplete)
    assert joined == Joined({"3": "said 3", "1": "said 1", "2": "said 2"}, 3, 0, 0)


@pytest.mark.parametrize("incomplete", [False, True])
def test_foreign_answers_are_refused(incomplete: bool) -> None:
    given = give("1", *(f"x{number}" for number in range(7)), prompt=None)
    message = r"answers\.jsonl: 7 answers belong to no question \(ids x0, x1, x2, x3, x4, \.\.\.\); give the"
    with pytest.raises(ValueError, match=message):
        join_all(ask("1"), given, incomplete)


@pytest.mark.parametrize("incomplete", [False, True])
def test_misaligned_answers_are_refused(incomplete: bool) -> None:
    one, two, three = give("1", "2", "3")
    swapped = [replace(one, key="2"), replace(two, key="1"), three]
    with pytest.raises(ValueError, match=r"2 answers have another prompt than their question \(ids 2, 1\); "):
        join_all(ask("1", "2", "3"), swapped, incomplete)


def test_missing_answers_are_counted_only_if_allowed() -> None:
    with pytest.raises(ValueError, match=r"2 answers are missing \(ids 1, 3\); answer the rest, or allow"):
        join_all(ask("1", "2", "3"), give("2"))
    assert join_all(ask("1", "2", "3"), give("2"), True) == Joined({"2": "said 2"}, 1, 2, 0)


def test_the_first_of_several_answers_counts_if_allowed() -> None:
    given = [*give("1", "2"), GivenAnswer("1", "again", None, 3), GivenAnswer("1", "and again", None, 4)]
    with pytest.raises(ValueError, match=r"1 answers come more than once \(ids 1\); keep one each, or allow"):
        join_all(ask("1", "2"), given)
    assert join_all(ask("1", "2"), given, True) == Joined({"1": "said 1", "2": "said 2"}, 2, 0, 2)


@pytest.mark.parametrize(
    ("prompt", "aligned"),
    [
        (None, True),
        ("<image>\nIs there a 1?\n" + SHORT, True),
        ("  Is there a 1?\n" + SHORT + "<image>\n", True),
        ("Is there a 1?", True),  # without its last line, as LLaVA saves some
        ("Is there", False),  # does not end with a line
        ("Is there a 1? " + SHORT, False),
        ("Is there a 1?\n" + SHORT + "\nThink.", False),
        (SHORT, False),
        ("", False),
    ],
)
def test_a_prompt_is_the_question_or_its_first_lines(prompt: str | None, aligned: bool) -> None:
    given = give("1", prompt=prompt)
    if aligned:
        assert join_all(ask("1"), given).num_answered == 1
    else:
        with pytest.raises(ValueError, match="1 answers have another prompt"):
            join_all(ask("1"), given)


def test_a_benchmark_may_map_ids_by_prompts() -> None:
    given = [
        GivenAnswer("9", prompt, f"<image>\n{prompt}", 1) for prompt in ("Is there a a?", "Is there a b?")
    ]
    joined = join(ask("a", "b"), given, HERE, False, lambda key, prompt: (prompt or key)[-2])
    assert joined.answers == {"a": "Is there a a?", "b": "Is there a b?"}


Lines = list[str]


def pope_questions() -> list[Question]:
    return POPE(str(SHARED / "scoring/pope"), 128, strict=False, questions=None).questions()


def mm_vet_questions() -> list[Question]:
    asked = json.loads((SHARED / "scoring/mm-vet/mm-vet.json").read_text())
    return [Question(key, "", f"<image>\n{line['question']}", (), "") for key, line in asked.items()]


def science_questions() -> list[Question]:
    last = "\nAnswer with the option's letter from the given choices directly."
    asked = json.loads((SHARED / "scoring/scienceqa/llava_test_CQM-A.json").read_text())
    return [Question(line["id"], "", line["conversations"][0]["value"] + last, (), "") for line in asked]


SETS: dict[str, tuple[str, Callable[[], list[Question]], Callable[[str, str | None], str]]] = {
    "pope": ("answers_llava-v1.5-13b.jsonl", pope_questions, same_key),
    "mm-vet": ("llava-v1.5-13b.jsonl", mm_vet_questions, lambda key, prompt: f"v1_{key}"),
    "scienceqa": ("llava-v1.5-13b.jsonl", science_questions, same_key),
}


def swap(lines: Lines) -> Lines:
    """Give the first answer's id to the first that was asked otherwise, and the other way round."""
    records = [json.loads(line) for line in lines]
    other = next(record for record in records if record["prompt"] != records[0]["prompt"])
    records[0]["question_id"], other["question_id"] = other["question_id"], records[0]["question_id"]
    return [json.dumps(record) for record in records]


@pytest.mark.skipif(not (SHARED / "scoring").is_dir(), reason="published answers are not here")
@pytest.mark.parametrize("name", SETS)
def test_published_answers_join_and_faults_do_not(name: str, tmp_path: Path) -> None:
    file, questions_of, key_of = SETS[name]
    source, questions = SHARED / f"scoring/{name}/{file}", questions_of()
    lines = source.read_text().split("\n")[:-1]

    def joined(content: Lines, incomplete: bool = False) -> Joined:
        (tmp_path / "answers").write_text("\n".join(content))
        return join(questions, read_answers(tmp_path / "answers"), tmp_path / "answers", incomplete, key_of)

    whole = joined(lines)
    assert (whole.num_answered, whole.num_missing, whole.num_duplicated) == (len(questions), 0, 0)
    assert joined(random.Random(1).sample(lines, len(lines))) == whole

    with pytest.raises(ValueError, match="7 answers are missing"):
        joined(lines[:-7])
    assert joined(lines[:-7], incomplete=True).num_missing == 7
    with pytest.raises(ValueError, match="3 answers come more than once"):
        joined([*lines, *lines[:3]])
    assert joined([*lines, *lines[:3]], incomplete=True) == replace(whole, num_duplicated=3)
    with pytest.raises(ValueError, match=f"answers, line {len(lines)}, is not JSON"):
        joined([*lines[:-1], lines[-1][:40]])
    for incomplete in (False, True):
        with pytest.raises(ValueError, match="2 answers have another prompt"):
            joined(swap(lines), incomplete)
        for other in set(SETS) - {name}:
            foreign = (SHARED / f"scoring/{other}/{SETS[other][0]}").read_text().split("\n")[:-1]
            with pytest.raises(ValueError, match=r"belong to no question|have another prompt"):
                joined(foreign, incomplete)
