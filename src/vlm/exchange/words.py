"""The words of a sentence whose model somebody else has trained."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import PreTrainedConfig
from transformers.utils import cached_file

from vlm.exchange.settings import stated

TELLING_FILES = ("tokenizer_config.json", "added_tokens.json", "tokenizer.json")
MARKS: Mapping[str, str] = {"<|start_header_id|>": "llama3", "<|im_start|>": "chatml"}
"""Tokens that only those have whose template needs them."""
TEMPLATES: Mapping[str, str] = {"llama": "v1", "mistral": "mistral"}
"""How LLaVA asks its models of a kind of LLM when it scores them; others bring their own."""
TEMPLATE = "template@llm.template="
"""Begins the word that chooses a template."""
KEY = re.compile(r"[A-Za-z]\w*")


def spell(key: str, value: Any) -> str:
    """Return the word that sets a value.

    Raises:
        ValueError: A text in it cannot be written so, or a key would be read as more than a key.
    """
    return f"{key}={_spell(value)}"


def _spell(value: Any) -> str:
    if value is None or isinstance(value, int | float):  # or true and false
        return json.dumps(value)
    if isinstance(value, Mapping):
        for key in value:
            if not KEY.fullmatch(str(key)):  # `_target_` would make an object of whoever wrote the file
                raise ValueError(f"a config.json has a setting called {key}; do not use this folder")
        return "{" + ",".join(f"{key}:{_spell(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_spell, value)) + "]"
    text = str(value)
    if "\\" in text or "${" in text:
        raise ValueError(f"{text} has a character that no word can have; give it another name")
    return "'" + text.replace("'", r"\'") + "'"


def llm_words(config: PreTrainedConfig, files: str, tied: bool) -> list[str]:
    """Return the words of an LLM that has no weights yet.

    Args:
        config: Transformers'.
        files: Where its tokenizer is: a folder, or a hub's name.
        tied: Whether one matrix is for the words that it reads and for those that it says.
    """
    return [
        "llm=huggingface",
        f"{TEMPLATE}{template_of(config.model_type, files)}",
        spell("llm.checkpoint", files),
        "llm.weights=random",
        spell("llm.config", stated(config) | {"tie_word_embeddings": tied}),
    ]


def template_of(model_type: str, files: str) -> str:
    """Return the template that an LLM was tuned with, by its kind and its tokens.

    No file of a checkpoint says it: LLaVA reads it off the folder's name, and the chat templates of
    `llava-hf` leave the system text out.
    """
    if model_type == "llama":
        text = "".join(_read_text(files, name) for name in TELLING_FILES)
        for mark, template in MARKS.items():
            if mark in text:
                return template
    return TEMPLATES.get(model_type, "own")


def _read_text(files: str, name: str) -> str:
    try:
        path = cached_file(files, name, _raise_exceptions_for_missing_entries=False)
    except OSError:  # no hub answers; whoever needs the tokenizer will say so
        return ""
    return Path(path).read_text(encoding="utf-8") if path else ""


def tower_words(config: PreTrainedConfig, files: str) -> list[str]:
    """Return the words of a vision tower of transformers that has no weights yet.

    Args:
        config: Transformers'.
        files: Where it came from.
    """
    return [
        "encoder=huggingface",
        spell("encoder.checkpoint", files),
        "encoder.weights=random",
        spell("encoder.config", stated(config)),
    ]


def stage_words(mode: str, grids: Sequence[Sequence[int]] = (), merge: str = "flat") -> list[str]:
    """Return the words of a stage that prepares pictures in this way.

    Args:
        mode: As `stage.image.mode`.
        grids: Rows and columns of tiles that pictures are cut into, if they are.
        merge: As `stage.image.merge`.
    """
    words = ["stage=single", f"stage.image.mode={mode}"]
    if mode == "anyres":
        words += [spell("stage.image.grids", grids), f"stage.image.merge={merge}"]
    return words
