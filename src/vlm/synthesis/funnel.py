"""What became of every picture and every request."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from vlm.synthesis.filters import TEXT_RULES, TURN_RULES
from vlm.synthesis.replies import MALFORMED
from vlm.synthesis.survey import INPUT_RULES

SAME_TEXT = {"same-text": "it has more of an earlier record's runs of five words than max_overlap"}
RULES = MALFORMED | TURN_RULES | TEXT_RULES | SAME_TEXT
"""Why a reply is rejected, in the order in which it is looked at."""

MAX_REASONS = 50  # different ones; what comes after is counted together


@dataclass
class Tally:
    """What became of the requests of a kind.

    Args:
        accepted: Replies that became records.
        rejected: Replies that did not, by rule.
        failed: Requests that have had no reply after all tries.
        unasked: Requests that were not sent.
        turns: Questions with answers in the records.
        left_out: Of such, what was left out of replies that became records, by rule.
        known: Replies to questions whose answer somebody had given before.
        right: Of these, replies that say the same.
        known_accepted: As `known`, of the accepted ones.
        right_accepted: Likewise.
    """

    accepted: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    unasked: int = 0
    turns: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    known: int = 0
    right: int = 0
    known_accepted: int = 0
    right_accepted: int = 0

    @property
    def total(self) -> int:
        """Of requests."""
        return self.accepted + self.rejected.total() + self.failed + self.unasked


class Funnel:
    """The account of a data set.

    Args:
        asked: Of each kind, what there is to ask about.
        set_aside: What nothing is asked about, by rule.
        rules: Why a reply is rejected, in the order in which it is looked at.
        noun: What is asked about.
    """

    def __init__(
        self,
        asked: Mapping[str, int],
        set_aside: Mapping[str, int],
        rules: dict[str, str] = RULES,
        noun: str = "pictures",
    ) -> None:
        self.asked, self.set_aside = dict(asked), Counter(set_aside)
        self.rules, self.noun = rules, noun
        self.tallies = {kind: Tally() for kind in asked}
        self.models: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.input_tokens = self.output_tokens = 0
        self.cost = 0.0

    def pay(self, model: str, tokens: tuple[int, int], cost: float) -> None:
        """Count a reply, whatever becomes of it."""
        self.models[model] += 1
        self.input_tokens += tokens[0]
        self.output_tokens += tokens[1]
        self.cost += cost

    def miss(self, kind: str, reason: str | None) -> None:
        """Count a request without a reply, and why there is none; None: it was not sent."""
        if reason is None:
            self.tallies[kind].unasked += 1
            return
        self.tallies[kind].failed += 1
        alike = re.sub(r"\d{4,}", "#", reason)  # ports and ids, which tell nothing apart
        self.reasons[alike if alike in self.reasons or len(self.reasons) < MAX_REASONS else "other"] += 1

    @property
    def accepted(self) -> int:
        """Records."""
        return sum(tally.accepted for tally in self.tallies.values())

    @property
    def is_complete(self) -> bool:
        """Whether every request has had its reply."""
        return not any(tally.failed + tally.unasked for tally in self.tallies.values())

    def check(self) -> None:
        """Hold the account to its sum: what was asked about has come to one end each."""
        assert {kind: tally.total for kind, tally in self.tallies.items()} == self.asked

    def rows(self) -> list[list[str]]:
        """Return the account as a table with its heading."""
        aside = self.set_aside.total()
        tallies = list(self.tallies.values())

        def row(name: str, counts: Iterable[int]) -> list[str]:
            return [name, *map(str, counts)]

        rows = [["", *self.tallies], row(self.noun, (count + aside for count in self.asked.values()))]
        if aside:
            met = [rule for rule in INPUT_RULES if self.set_aside[rule]]
            rows += [row(f"set aside: {rule}", [self.set_aside[rule]] * len(tallies)) for rule in met]
            rows.append(row("asked about", self.asked.values()))
        rows += [
            row(f"rejected: {rule}", (tally.rejected[rule] for tally in tallies))
            for rule in self.rules
            if any(tally.rejected[rule] for tally in tallies)
        ]
        rows.append(row("failed", (tally.failed for tally in tallies)))
        rows.append(row("not asked", (tally.unasked for tally in tallies)))
        rows.append(row("accepted", (tally.accepted for tally in tallies)))
        if any(tally.turns != tally.accepted for tally in tallies):
            rows.append(row("questions in them", (tally.turns for tally in tallies)))
        rows += [
            row(f"questions left out: {rule}", (tally.left_out[rule] for tally in tallies))
            for rule in self.rules
            if any(tally.left_out[rule] for tally in tallies)
        ]
        return [*rows, *self._known_rows()]

    def _known_rows(self) -> Iterator[list[str]]:
        """Yield how many of the answers that somebody had given before are right."""
        tallies = list(self.tallies.values())
        if any(tally.known for tally in tallies):
            yield ["right", *(_percent(tally.right, tally.known) for tally in tallies)]
            accepted = (_percent(tally.right_accepted, tally.known_accepted) for tally in tallies)
            yield ["right, of the accepted", *accepted]

    def lines(self) -> Iterator[str]:
        """Yield the account in Markdown."""
        rows = self.rows()
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        for number, row in enumerate(rows):
            cells = [row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]
            yield f"| {' | '.join(cells)} |"
            if not number:
                rules = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
                yield f"| {' | '.join(rules)} |"
        yield ""
        yield from self._remarks()

    def _remarks(self) -> Iterator[str]:
        models = ", ".join(
            f"{model or 'a model that is not named'} ({n})" for model, n in self.models.items()
        )
        tokens = f"{self.input_tokens:,} tokens in, {self.output_tokens:,} out"
        yield f"replies by {models or 'nobody'}: {tokens}, cost {self.cost:.4f}"
        for reason, count in self.reasons.most_common(5):
            yield f"failed {count} times: {reason}"
        met = [rule for rule in INPUT_RULES if self.set_aside[rule]]
        tallies = self.tallies.values()
        met += [
            rule for rule in self.rules if any(one.rejected[rule] + one.left_out[rule] for one in tallies)
        ]
        for rule in met:
            yield f"{rule}: {(INPUT_RULES | self.rules)[rule]}"

    def content(self) -> dict[str, Any]:
        """Return the account for JSON."""
        kinds = {
            kind: {
                "asked": tally.total, "accepted": tally.accepted, "rejected": dict(tally.rejected),
                "failed": tally.failed, "not_asked": tally.unasked, "questions": tally.turns,
                "questions_left_out": dict(tally.left_out), "known": tally.known, "right": tally.right,
                "known_accepted": tally.known_accepted, "right_accepted": tally.right_accepted,
            }
            for kind, tally in self.tallies.items()
        }  # fmt: skip
        return {
            "set_aside": dict(self.set_aside),
            "kinds": kinds,
            "models": dict(self.models),
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cost": self.cost,
            "failures": dict(self.reasons),
            "meanings": INPUT_RULES | self.rules,
        }


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"
