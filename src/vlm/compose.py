"""Words to a sentence: the config that they compose to, held to the schema and its limits."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from operator import ge, gt, le
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from vlm.config import Run, Source
from vlm.paths import config_dir

ConfigStore.instance().store(name="schema", node=Run)
ConfigStore.instance().store(group="source", name="new", node=Source)


@dataclass(frozen=True)
class Sentence:
    """What words compose to.

    Args:
        config: Read-only.
        choices: The word of each group: `{"encoder": "tiny_clip", ...}`.
        states_axes: Whether an experiment among the words is a sweep.
        axes: Keys that this experiment gives several values.
    """

    config: DictConfig
    choices: dict[str, str]
    states_axes: bool
    axes: tuple[str, ...] = ()


def compose_sentence(overrides: Sequence[str]) -> Sentence:
    """Compose what the overrides say.

    Raises:
        hydra.errors.HydraException, omegaconf.errors.OmegaConfBaseException: An unknown key or choice, or
            a value of the wrong type.
        ValueError: A value is missing, or outside its limits.
    """
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        words = spell_out(overrides)
        _require_new_sources(words)
        config = compose("config", words, return_hydra_config=True)
    hydra = config.hydra
    choices = {group: str(choice) for group, choice in hydra.runtime.choices.items() if "hydra" not in group}
    states_axes = hydra.mode is RunMode.MULTIRUN
    axes = _stated_axes(OmegaConf.select(hydra, "sweeper.params") or {})
    OmegaConf.set_readonly(config, False)
    with open_dict(config):
        del config.hydra
    OmegaConf.set_readonly(config, True)
    missing = sorted(OmegaConf.missing_keys(config))
    if missing:
        group = missing[0].partition(".")[0]
        example = f"conf/{group}/{choices.get(group)}.yaml"
        raise ValueError(f"{missing[0]} is not set; say {missing[0]}=VALUE, as {example} shows")
    check_limits(config)
    return Sentence(config, choices, states_axes, axes)


def _stated_axes(params: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the keys that a sweeper's params give several values."""
    stated = OverridesParser.create().parse_overrides([f"{key}={value}" for key, value in params.items()])
    return tuple(override.get_key_element() for override in stated if override.is_sweep_override())


def spell_out(overrides: Sequence[str]) -> list[str]:
    """Return the words, with `+mixture.NAME.KEY=VALUE` in the two that Hydra wants for it.

    A source is a typed node, and Hydra adds only untyped ones by a key; a choice of a group it adds as it is.
    """
    words: list[str] = []
    for word in overrides:
        added = re.match(r"\+(mixture\.\w+)\.", word)
        if added and (choice := f"+source@{added[1]}=new") not in words:
            words.append(choice)
        words.append(word[1:] if added else word)
    return words


def _require_new_sources(words: Sequence[str]) -> None:
    """Refuse to add a source that is there: its settings would fall back to what a new one has.

    Raises:
        ValueError: One is there.
    """
    added = [found[1] for word in words if (found := re.fullmatch(r"\+source@mixture\.(\w+)=new", word))]
    if not added:
        return
    pattern = re.compile(rf"\+source@mixture\.|(\+\w+@)?mixture\.({'|'.join(added)})\.")
    present = compose("config", [word for word in words if not pattern.match(word)]).mixture
    for name in added:
        if name in present:
            raise ValueError(
                f"mixture.{name} is there already; change it without the +: mixture.{name}.KEY=VALUE"
            )


def check_limits(node: DictConfig) -> None:
    """Hold every value of the schema to its limits.

    Raises:
        ValueError: One is outside.
    """
    kind = OmegaConf.get_type(node)
    limits = {field.name: field.metadata for field in fields(kind)} if is_dataclass(kind) else {}
    for key in map(str, node):
        child = node._get_node(key)
        if isinstance(child, DictConfig) and not (child._is_none() or child._is_missing()):
            check_limits(child)
        elif not OmegaConf.is_missing(node, key) and node[key] is not None:
            for name, limit in limits.get(key, {}).items():
                if not _WITHIN[name](node[key], limit):
                    raise ValueError(f"{node._get_full_key(key)} must be {name} {limit}, got {node[key]}")


_WITHIN: dict[str, Callable[[Any, Any], bool]] = {"at least": ge, "above": gt, "at most": le}
