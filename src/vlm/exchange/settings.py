"""The JSON that lies beside weights."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import AutoConfig, PreTrainedConfig

from vlm.llm.base import LLM
from vlm.tensor_file import first_line

FOR_OTHERS = {"dtype", "torch_dtype", "use_cache", "bos_token_id", "eos_token_id", "pad_token_id"}
"""Settings that change no output of ours: the tokenizer says what its tokens are."""


def read_json(path: Path) -> dict[str, Any]:
    """Return what a JSON file says.

    Raises:
        ValueError: It is missing, or holds no settings.
    """
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read ({first_line(error)}); copy it again") from error
    if not isinstance(settings, dict):
        raise ValueError(f"{path} holds no settings; copy it again")
    return settings


def require(path: Path, settings: Mapping[str, Any], key: str, known: Sequence[Any], reason: str = "") -> Any:
    """Return a setting that must be one of a few.

    Args:
        path: Of the file, for the message.
        settings: What it says.
        key: Of the setting.
        known: What it may be; the first, where it is not set.
        reason: Why nothing else can be read, in words.

    Raises:
        ValueError: It is something else.
    """
    value = settings.get(key, known[0])
    if value not in known:
        raise ValueError(
            f"{path} says {key}={value}, which cannot be read{reason and f' ({reason})'}; "
            f"{' and '.join(map(str, known))} can"
        )
    return value


def read_configuration(path: Path, model_type: str, settings: Mapping[str, Any]) -> PreTrainedConfig:
    """Return one of transformers' configurations.

    Raises:
        ValueError: It has no such kind, or the settings do not fit it.
    """
    plain = {key: value for key, value in settings.items() if key != "model_type"}
    try:
        return AutoConfig.for_model(model_type, **plain)
    except Exception as error:  # each value is checked in its own way
        raise ValueError(
            f"{path} is no {model_type} that transformers knows ({first_line(error)})"
        ) from error


def keys_of(model_type: str) -> set[str]:
    """Return what the settings of a kind of network are called."""
    every = set(AutoConfig.for_model(model_type).to_dict())
    return (every - set(PreTrainedConfig().to_dict()) - FOR_OTHERS) | {"tie_word_embeddings"}


def configuration_of(llm: LLM) -> PreTrainedConfig:
    """Return transformers' configuration of a built LLM."""
    network: Any = llm.get_submodule("network")
    return network.config


def stated(config: PreTrainedConfig) -> dict[str, Any]:
    """Return all of a configuration that makes its network."""
    known = keys_of(config.model_type)
    settings = {key: value for key, value in config.to_dict().items() if key in known}
    return {"model_type": config.model_type, **settings}
