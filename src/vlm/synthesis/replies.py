"""Replies to questions and answers, or to the reason why they are none."""

import re
from collections.abc import Callable, Iterator

from vlm.corpus.formats.conversation import Turn
from vlm.data.sample import IMAGE_PLACEHOLDER
from vlm.endpoint.reply import Completion

MALFORMED = {
    "empty": "the reply says nothing",
    "cut": "the reply was cut off at its limit of tokens, or withheld",
    "no-blocks": "nothing in the reply is marked as a question or an answer",
    "stray": "there is text before the first mark, or after a block's end",
    "unpaired": "a question has no answer, or an answer no question",
    "blank": "a question or an answer is empty",
    "several": "there are several questions where one was asked for",
    "placeholder": "it holds the text that stands for a picture",
    "blocks": "there are marks of questions and answers where a description was asked for",
}
"""Why a reply cannot be read."""

_MARK = re.compile(r"^[ \t*#]*(Question|Answer)[ \t*]*:[ \t*]*", re.MULTILINE)
_END = re.compile(r"^[ \t]*={3,}[ \t]*$", re.MULTILINE)


class MalformedError(Exception):
    """A reply that is not of the form that was asked for.

    Args:
        rule: One of `MALFORMED`.
    """

    def __init__(self, rule: str) -> None:
        super().__init__(MALFORMED[rule])
        self.rule = rule


def read_reply(kind: str, completion: Completion) -> list[Turn]:
    """Return the questions and answers of a reply; the question to a description is empty.

    Raises:
        MalformedError: It has another form.
    """
    if rule := fault_of_reply(completion):
        raise MalformedError(rule)
    return _READERS[kind](completion.text.strip())


def fault_of_reply(completion: Completion) -> str | None:
    """Return the rule of `MALFORMED` that a reply of whatever form breaks."""
    if not completion.text.strip():
        return "empty"
    if completion.finish_reason in ("length", "content_filter"):
        return "cut"
    return "placeholder" if IMAGE_PLACEHOLDER in completion.text else None


def _read_conversation(text: str) -> list[Turn]:
    """Read blocks `Question:`, `===`, `Answer:`, `===`, in turn; the last end may be missing."""
    marks = list(_MARK.finditer(text))
    if not marks:
        raise MalformedError("no-blocks")
    if text[: marks[0].start()].strip():
        raise MalformedError("stray")
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    blocks = [
        (mark[1], _block(text[mark.end() : end])) for mark, end in zip(marks, ends, strict=True)
    ]  # fmt: skip
    return list(_pair(blocks))


def _block(text: str) -> str:
    said, *after = _END.split(text)
    if any(part.strip() for part in after):
        raise MalformedError("stray")
    if not said.strip():
        raise MalformedError("blank")
    return said.strip()


def _pair(blocks: list[tuple[str, str]]) -> Iterator[Turn]:
    if [mark for mark, _ in blocks] != ["Question", "Answer"] * (len(blocks) // 2):
        raise MalformedError("unpaired")
    for (_, question), (_, answer) in zip(blocks[::2], blocks[1::2], strict=True):
        yield question, answer


def _read_reasoning(text: str) -> list[Turn]:
    turns = _read_conversation(text)
    if len(turns) > 1:
        raise MalformedError("several")
    return turns


def _read_detail(text: str) -> list[Turn]:
    if _MARK.search(text) or _END.search(text):
        raise MalformedError("blocks")
    return [("", text)]


_READERS: dict[str, Callable[[str], list[Turn]]] = {
    "conversation": _read_conversation,
    "detail": _read_detail,
    "reasoning": _read_reasoning,
}
