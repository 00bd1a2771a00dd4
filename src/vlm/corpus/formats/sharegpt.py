"""ShareGPT's conversations with a language model, cleaned as Vicuna's were.

Names of speakers differ from dump to dump; a system text is left out, as the template has its own; a first
turn that is not the human's is dropped, and the last if it is unanswered. LLaVA-1.5 cuts what is longer than
its context and does not split it (arXiv:2310.03744, appendix A.2): so does the context when it is read.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlm.corpus.formats.read import read_list
from vlm.options import MISSING

SPEAKERS = {
    "human": "human", "user": "human", "gpt": "gpt", "assistant": "gpt", "chatgpt": "gpt", "bing": "gpt",
    "bard": "gpt",
}  # fmt: skip


@dataclass
class Options:
    """What the format reads."""

    json: str = MISSING


def convert(options: Options) -> Iterator[Any]:
    """Yield LLaVA records; conversations that do not alternate, or are empty, are left out as Vicuna's are.

    Raises:
        ValueError: The file is no list of conversations.
    """
    for number, item in enumerate(read_list("json", Path(options.json))):
        try:
            said = [(turn["from"], turn["value"]) for turn in item["conversations"]]
        except (KeyError, TypeError) as error:
            raise ValueError(f"json={options.json}: item {number} is no conversation; mend it") from error
        turns = [(SPEAKERS.get(speaker), text) for speaker, text in said if speaker != "system"]
        if turns and turns[0][0] != "human":
            turns = turns[1:]
        turns = turns[: len(turns) // 2 * 2]
        alternate = [speaker for speaker, _ in turns] == ["human", "gpt"] * (len(turns) // 2)
        if turns and alternate and all(text.strip() for _, text in turns):
            conversations = [{"from": speaker, "value": text} for speaker, text in turns]
            yield {"id": str(item.get("id", number)), "conversations": conversations}
