"""LLaVA's own JSON: a list of `{id, image?, conversations}`."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlm.corpus.formats.read import read_list
from vlm.options import MISSING


@dataclass
class Options:
    """What the format reads."""

    json: str = MISSING


def convert(options: Options) -> Iterator[Any]:
    """Yield the records as they are; what is wrong with one is found when it is packed."""
    yield from read_list("json", Path(options.json))
