"""`key=value` words of the verbs that are no sentences, checked against a dataclass."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, TypeVar, cast

from omegaconf import MISSING, OmegaConf

Options = TypeVar("Options")


def parse_options(kind: type[Options], words: Sequence[str]) -> Options:
    """Return the dataclass filled with the words.

    Raises:
        ValueError: A word is no `key=value`, or a required key is not given.
        omegaconf.errors.OmegaConfBaseException: An unknown key, or a value of the wrong type.
    """
    known = ", ".join(field.name for field in fields(kind))  # type: ignore[arg-type]
    for word in words:
        if word.partition("=")[0] not in known.split(", ") or "=" not in word:
            raise ValueError(f"'{word}' is no option; write key=value with one of: {known}")
    options = OmegaConf.merge(OmegaConf.structured(kind), OmegaConf.from_dotlist(list(words)))
    missing = [str(key) for key in options if OmegaConf.is_missing(options, str(key))]
    if missing:
        raise ValueError(f"{missing[0]}= must be given (options: {known})")
    return cast(Options, OmegaConf.to_object(options))


def split_options(kind: type[Any], words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Part the words that a dataclass knows from the others."""
    known = {field.name for field in fields(kind)}
    mine = [word for word in words if word.partition("=")[0] in known]
    return mine, [word for word in words if word not in mine]


__all__ = ["MISSING", "parse_options", "split_options"]
