"""OpenAI's chat messages: a list of `{id?, messages: [{role, content}]}`, pictures as `image_url` parts."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlm.corpus.formats.read import read_list
from vlm.data.record import from_messages
from vlm.options import MISSING


@dataclass
class Options:
    """What the format reads."""

    json: str = MISSING
    strip: str = ""
    """What pictures' addresses begin with and `images` stands for."""


def convert(options: Options) -> Iterator[Any]:
    """Yield LLaVA records.

    Raises:
        ValueError: A message is none of OpenAI's.
    """
    for number, item in enumerate(read_list("json", Path(options.json))):
        try:
            record = from_messages(item["messages"])
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"json={options.json}: item {number} is no chat ({error!r}); mend it") from error
        if "image" in record:
            record["image"] = [path.removeprefix(options.strip) for path in record["image"]]
        yield {"id": item.get("id", str(number)), **record}
