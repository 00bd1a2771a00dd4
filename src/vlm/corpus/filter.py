"""Records to the concept-balanced part of them, by the noun phrases of their captions."""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from vlm.corpus.balance import Balance, Balanced, choose
from vlm.corpus.part import WHOLE, Journal, Part, Shares, interleave
from vlm.corpus.phrases import NOUN_PHRASES, find_extractor
from vlm.data.record import check_record
from vlm.run.folder import write_json

_CHUNK = 256  # captions that a process is handed at once


@dataclass(frozen=True)
class Filtering:
    """How records are filtered.

    Args:
        output: JSON file to make, of the records that are kept.
        balance: How many captions a phrase brings.
        phrases: Name of the function that finds the phrases of a caption.
        workers: Processes; 0 for as many as there are cores.
        part: The share of the records whose phrases are found here; the file is made when all are.
    """

    output: Path
    balance: Balance
    phrases: str = NOUN_PHRASES
    workers: int = 0
    part: Part = WHOLE


def filter_records(records: Sequence[Any], filtering: Filtering) -> Balanced | None:
    """Keep the records that the balance chooses; return what it chose, or None while shares are missing.

    Finding phrases takes the time; what a killed process found is kept.

    Args:
        records: LLaVA's, the same in the same order for every share.
        filtering: How.

    Raises:
        ValueError: The file is there, or a record is none, or the records differ between shares.
    """
    output = filtering.output
    if output.exists():
        raise ValueError(f"output={output} is there already; choose another file or delete it")
    find_extractor(filtering.phrases)  # before any work
    shares = Shares(output, filtering.part)
    captions = [_caption(number, content) for number, content in enumerate(records)]
    mine = shares.found
    if mine is None or mine["by"] != filtering.phrases:
        mine = {"by": filtering.phrases, "found": _find_phrases(captions, filtering, shares.draft)}
    with shares.gather(mine) as parts:
        if parts is None:
            return None
        found: list[tuple[str, list[str]]] = interleave([part["found"] for part in parts])
        digests = [_digest(caption) for caption in captions]
        if [digest for digest, _ in found] != digests or {part["by"] for part in parts} != {mine["by"]}:
            raise ValueError(
                f"output={output}: its shares were filtered from different records or by different phrases; "
                f"delete {shares.folder}, and filter all shares again"
            )
        balanced = choose([phrases for _, phrases in found], filtering.balance)
        if not balanced.places:
            raise ValueError(f"no phrase is in min_count={filtering.balance.min_count} captions; lower it")
        write_json(output, [records[place] for place in balanced.places])
        return balanced


def _find_phrases(captions: Sequence[str], filtering: Filtering, draft: Path) -> list[tuple[str, list[str]]]:
    """Return the digest and phrases of each of this share's captions."""
    taken = [caption for place, caption in enumerate(captions) if filtering.part.takes(place)]
    journal = Journal(draft / "phrases.jsonl", filtering.phrases)
    known: dict[str, list[str]] = dict(journal.rows)
    unknown = {digest: text for text in taken if (digest := _digest(text)) not in known}
    processes = filtering.workers or os.cpu_count() or 1
    extract = partial(_extract, filtering.phrases)
    with ProcessPoolExecutor(processes) as pool:
        found = pool.map(extract, unknown.values(), chunksize=_CHUNK)
        for digest, phrases in zip(unknown, found, strict=True):
            known[digest] = phrases
            journal.append((digest, phrases))
    journal.close()
    return [(digest, known[digest]) for digest in map(_digest, taken)]


def _caption(number: int, content: Any) -> str:
    """Return what the model would learn to say of a record."""
    try:
        check_record(content)
    except ValueError as error:
        raise ValueError(f"record {number}: {error}; mend or remove it") from error
    return "\n".join(turn["value"] for turn in content["conversations"] if turn["from"] == "gpt")


def _digest(caption: str) -> str:
    return hashlib.blake2b(caption.encode(), digest_size=8).hexdigest()


def _extract(name: str, caption: str) -> list[str]:
    return list(dict.fromkeys(find_extractor(name)(caption)))
