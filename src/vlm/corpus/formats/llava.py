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
    prefix: str = ""
    """Folder of the pictures, put before each path."""


def convert(options: Options) -> Iterator[Any]:
    """Yield the records as they are; what is wrong with one is found when it is packed."""
    for record in read_list("json", Path(options.json)):
        if options.prefix and isinstance(record, dict) and isinstance(record.get("image"), str):
            record = record | {"image": f"{options.prefix}/{record['image']}"}
        yield record
