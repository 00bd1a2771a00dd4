"""Whatever an endpoint does, every picture and request is in the account, under the right rule."""

from collections import Counter
from pathlib import Path

import pytest

from tests.endpoint.server import serving
from tests.synthesis.making import (
    answer_well,
    good_reply,
    name_of,
    read_account,
    sentences,
    synthesize,
    write_source,
)
from vlm.endpoint.client import Endpoint

PASSING = {
    "limited": 4,
    "limited_for": 2,
    "broken": 4,
    "half": 3,
    "nothing": 2,
    "garbage": 3,
    "slow": 1,
    "drip": 1,
}
"""What passes, in per cent of the first tries; and of the second ones."""
REPLIES = {
    "no-blocks": 5,
    "stray": 3,
    "unpaired": 3,
    "refusal": 4,
    "source": 3,
    "uncertain": 3,
    "language": 2,
    "loop": 2,
}
"""What a reply is rejected by, in per cent of all."""


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Endpoint, "first_backoff_s", 0.02)


def chosen(name: str, salt: str, shares: dict[str, int]) -> str | None:
    """Draw from shares, in per cent, by what is asked."""
    place = int(name.split()[1][:8], 16) * (7919 + len(salt)) % 9973 % 100
    for what, share in shares.items():
        if place < share:
            return what
        place -= share
    return None


def behave(name: str, before: int) -> str:
    if chosen(name, "never", {"too_long": 2}):
        return "too_long"
    if before < 2:
        return chosen(name, "x" * (20 + before), PASSING) or "well"
    return "well"


def answer(name: str) -> str:
    """Say it well, or so that one rule rejects it."""
    kind, seed = name.split()
    rule = chosen(name, "answer", REPLIES)
    bad = {
        "refusal": "I'm sorry, but I cannot help with that.",
        "source": f"The caption says so. {sentences(seed, 2)}",
        "uncertain": f"It is unclear what is going on. {sentences(seed, 2)}",
        "language": f"{seed} Der Hund tr\u00e4gt einen Stock im Maul und l\u00e4uft am Strand entlang.",
        "loop": "the dog and the cat are here " * 9,
    }
    if rule in bad:
        return bad[rule] if kind == "detail" else f"Question:\nWhat?\n===\nAnswer:\n{bad[rule]}\n==="
    good = good_reply(kind, seed)
    if rule is None or kind == "detail":
        return good
    wrong = {
        "no-blocks": sentences(seed, 2),
        "stray": f"Sure!\n{good}",
        "unpaired": f"{good}\nQuestion:\nAnd?\n===",
    }
    return wrong[rule]


def test_three_hundred_requests_are_accounted_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = write_source(tmp_path / "source", 100)
    with serving(behave, retry_after="0.05", answer=answer, name=name_of) as server:
        status = synthesize(server.url, tmp_path, *words, "concurrency=16", "timeout_s=0.5", "max_retries=4")
    asked = list(server.asked)
    assert len(asked) == 300
    expected: dict[str, Counter[str]] = {kind: Counter() for kind in ("conversation", "detail", "reasoning")}
    for name in asked:
        kind = name.split()[0]
        rule = chosen(name, "answer", REPLIES)
        if behave(name, 9) == "too_long":
            expected[kind]["failed"] += 1
        elif rule is None or (kind == "detail" and rule in ("no-blocks", "stray", "unpaired")):
            expected[kind]["accepted"] += 1
        else:
            expected[kind][rule] += 1
    account = read_account(tmp_path)
    found = {
        kind: Counter(tally["rejected"] | {"failed": tally["failed"], "accepted": tally["accepted"]})
        for kind, tally in account["kinds"].items()
    }
    assert found == expected
    assert all(tally["asked"] == 100 and not tally["not_asked"] for tally in account["kinds"].values())
    assert account["set_aside"] == {}
    assert sum(account["failures"].values()) == sum(one["failed"] for one in expected.values()) > 0
    assert status == 1  # some have failed
    assert {rule for one in expected.values() for rule in one} >= {*REPLIES, "failed", "accepted"}
    assert max(server.asked.values()) >= 3
    said = capsys.readouterr().out
    assert "| rejected: no-blocks" in said
    assert "the same command asks for these alone" in said


def test_asked_again_only_what_failed_is_sent(tmp_path: Path) -> None:
    words = write_source(tmp_path / "source", 10)
    fails = {"now": True}

    def fail_some(name: str, before: int) -> str:
        return "too_long" if fails["now"] and name.split()[1][0] in "0123" else "well"

    with serving(fail_some, answer=answer_well, name=name_of) as server:
        assert synthesize(server.url, tmp_path, *words) == 1
        first = read_account(tmp_path)
        before = sum(server.asked.values())
        failed = sum(tally["failed"] for tally in first["kinds"].values())
        assert 0 < failed < 30
        fails["now"] = False
        assert synthesize(server.url, tmp_path, *words) == 0
        assert sum(server.asked.values()) == before + failed
        assert sum(tally["accepted"] for tally in read_account(tmp_path)["kinds"].values()) == 30
        assert synthesize(server.url, tmp_path, *words) == 0  # nothing is missing
        assert sum(server.asked.values()) == before + failed
    assert not (tmp_path / ".made-synthesis").exists()
