"""Replies to records: read, sifted, and each with where it comes from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from vlm.corpus.formats.conversation import Turn, make_record
from vlm.corpus.formats.prompts import DETAILED
from vlm.data.sample import IMAGE_PLACEHOLDER
from vlm.endpoint.budget import Prices, tokens_of
from vlm.endpoint.cache import Cache
from vlm.endpoint.reply import Completion
from vlm.endpoint.request import Parameters, Request
from vlm.synthesis.contexts import Context
from vlm.synthesis.draft import Rejected
from vlm.synthesis.duplicates import TextIndex
from vlm.synthesis.filters import Wanted, fault_of_text, sift_turns, words_of
from vlm.synthesis.funnel import Funnel
from vlm.synthesis.prompts import Prompt
from vlm.synthesis.replies import MalformedError, read_reply
from vlm.synthesis.review import Draw, Shown
from vlm.synthesis.workbook import Workbook


@dataclass(frozen=True)
class Sieve:
    """Which replies become records.

    Args:
        prompts: Of each kind.
        parameters: Of the requests.
        base_url: Of the endpoint, which is part of a request's hash.
        cache: Of replies.
        prices: Of tokens.
        wanted: What a record shall be like.
        max_overlap: Of the runs of five words of two texts, the share above which they are the same.
        seed: Draws the questions to descriptions, and the place of the picture.

    Raises:
        ValueError: `max_overlap` is beyond its range.
    """

    prompts: Mapping[str, Prompt]
    parameters: Parameters
    base_url: str
    cache: Cache
    prices: Prices
    wanted: Wanted
    max_overlap: float | int
    seed: int

    def __post_init__(self) -> None:
        if not 0 < self.max_overlap <= 1:
            raise ValueError(f"max_overlap must be above 0 and at most 1, got {self.max_overlap}")

    def request(self, kind: str, context: Context) -> Request:
        """Return what is asked about a picture, keyed by its hash."""
        request = Request("", self.prompts[kind].messages(context), self.parameters)
        return replace(request, key=request.digest(self.base_url))


def sift(
    workbook: Workbook, sieve: Sieve, funnel: Funnel, draw: Draw, images: Path | None
) -> Iterator[dict[str, Any] | Rejected]:
    """Yield a record, or what was rejected, for every reply, in the order of the source.

    Args:
        workbook: The pictures, and which requests failed.
        sieve: How.
        funnel: Counts.
        draw: Is offered everything.
        images: Folder of the pictures, for the page that shows some.
    """
    index = TextIndex(workbook.database, sieve.max_overlap)
    is_first = workbook.firsts()
    for context in workbook.contexts():
        for kind, prompt in sieve.prompts.items():
            request = sieve.request(kind, context)
            completion = sieve.cache.get(request.key)
            if completion is None:
                funnel.miss(kind, workbook.failure(request.key))
                continue
            tokens = tokens_of(request, completion)
            cost = sieve.prices.cost(*tokens)
            if is_first(request.key):
                funnel.pay(completion.served_model, tokens, cost)
            turns, rule = _read(kind, completion, sieve, index, funnel)
            picture = None if images is None else images / context.image
            told = context.text(with_boxes=kind != "conversation")
            draw.offer(Shown(kind, context.key, told, picture, turns, completion.text, rule))
            if rule:
                funnel.tallies[kind].rejected[rule] += 1
                yield Rejected(context.key, kind, rule, completion.text)
                continue
            origin = {
                "kind": kind, "asked": sieve.parameters.model, "model": completion.served_model,
                "prompt": prompt.digest, "request": request.key, "date": completion.date,
                "input_tokens": tokens[0], "output_tokens": tokens[1], "cost": cost,
            }  # fmt: skip
            record = _record(context, turns, Random(f"{sieve.seed}/{context.key}/{kind}"))
            yield record | {"provenance": origin}


def _read(
    kind: str, completion: Completion, sieve: Sieve, index: TextIndex, funnel: Funnel
) -> tuple[list[Turn], str]:
    """Return the turns of a record, and the rule that rejects it; empty if none does."""
    try:
        said = read_reply(kind, completion)
    except MalformedError as error:
        return [], "refusal" if error.rule == "no-blocks" and _refuses(completion.text) else error.rule
    turns, faults = sift_turns(said)
    rule = next(iter(faults), "") if not turns else fault_of_text(turns, sieve.wanted) or ""
    if not rule and not index.admit(words_of(" ".join(answer for _, answer in turns)), kind):
        rule = "same-text"
    if not rule:
        tally = funnel.tallies[kind]
        tally.accepted += 1
        tally.turns += len(turns)
        tally.left_out += faults
    return turns, rule


def _refuses(text: str) -> bool:
    return "refusal" in sift_turns([("", text)])[1]


def _record(context: Context, turns: list[Turn], draw: Random) -> dict[str, Any]:
    """Return LLaVA's record; the picture comes before or after the first question."""
    if not turns[0][0]:
        turns = [(draw.choice(DETAILED), turns[0][1])]
    record = make_record(context.key, context.image, turns)
    if draw.random() < 0.5:
        record["conversations"][0]["value"] = f"{turns[0][0]}\n{IMAGE_PLACEHOLDER}"
    return record
