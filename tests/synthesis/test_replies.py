"""Replies are questions and answers, or there is a reason why not."""

import pytest

from vlm.endpoint.reply import Completion
from vlm.synthesis.replies import MALFORMED, MalformedError, read_reply


def read(kind: str, text: str, finish_reason: str = "stop") -> list[tuple[str, str]]:
    return read_reply(kind, Completion(text, "", finish_reason, 0, 0))


ONE = "Question:\nWhat is it?\n===\nAnswer:\nA dog.\n\nIt runs.\n==="
TURN = ("What is it?", "A dog.\n\nIt runs.")


@pytest.mark.parametrize(
    ("kind", "text", "turns"),
    [
        ("conversation", f"{ONE}\n{ONE}\n", [TURN, TURN]),
        ("conversation", ONE.removesuffix("\n==="), [TURN]),
        ("conversation", ONE.replace("\n===", ""), [TURN]),
        ("conversation", ONE.replace("Question:\n", "**Question:** ").replace("===", "====="), [TURN]),
        ("reasoning", ONE, [TURN]),
        (
            "detail",
            " A dog runs.\n\nIt is a question: why? ",
            [("", "A dog runs.\n\nIt is a question: why?")],
        ),
    ],
)
def test_what_was_asked_for_is_read(kind: str, text: str, turns: list[tuple[str, str]]) -> None:
    assert read(kind, text) == turns


CASES = [
    ("conversation", "", "empty"),
    ("detail", " \n", "empty"),
    ("conversation", "A dog runs.", "no-blocks"),
    ("conversation", f"Sure, here it is:\n{ONE}", "stray"),
    ("conversation", f"{ONE}\nI hope this helps!", "stray"),
    ("conversation", ONE.replace("Answer:", "Question:"), "unpaired"),
    ("conversation", f"{ONE}\nQuestion:\nAnd now?\n===", "unpaired"),
    ("conversation", ONE.replace("What is it?", ""), "blank"),
    ("reasoning", f"{ONE}\n{ONE}", "several"),
    ("reasoning", ONE.replace("A dog.", "An <image>."), "placeholder"),
    ("detail", ONE, "blocks"),
    ("detail", "A dog.\n===", "blocks"),
]


@pytest.mark.parametrize(("kind", "text", "rule"), CASES)
def test_what_was_not_asked_for_is_rejected_by_a_named_rule(kind: str, text: str, rule: str) -> None:
    with pytest.raises(MalformedError) as caught:
        read(kind, text)
    assert caught.value.rule == rule
    assert str(caught.value) == MALFORMED[rule]


@pytest.mark.parametrize("finish_reason", ["length", "content_filter"])
def test_what_was_cut_is_rejected(finish_reason: str) -> None:
    with pytest.raises(MalformedError) as caught:
        read("reasoning", ONE, finish_reason)
    assert caught.value.rule == "cut"


def test_every_rule_has_a_case() -> None:
    assert {rule for *_, rule in CASES} | {"cut"} == set(MALFORMED)
