"""A config node to the object that its `_target_` names."""

import inspect
from typing import Any

from hydra.utils import get_class, get_object, instantiate
from omegaconf import DictConfig, OmegaConf

FOR_OTHERS = {"made_by", "weights"}
"""Who makes a benchmark's data; the file that a projector starts from."""


def make(node: DictConfig, twin: bool = False, **sizes: Any) -> Any:
    """Instantiate with plain lists and dicts; keys that the class does not take are for others to read."""
    plain = OmegaConf.to_container(node, resolve=True)
    assert isinstance(plain, dict)
    taken = inspect.signature(get_object(plain["_target_"])).parameters
    for key in FOR_OTHERS - set(taken):
        plain.pop(key, None)
    return instantiate(twin_settings(plain) if twin else plain, _convert_="all", **sizes)


def kind_of(node: DictConfig) -> Any:
    """Return the class that the node names."""
    return get_class(node["_target_"])


def twin_settings(node: Any) -> Any:
    """Return the settings of a part's small twin, inner parts first."""
    if not isinstance(node, dict):
        return node
    inner = {key: twin_settings(value) for key, value in node.items()}
    kind: Any = get_class(inner["_target_"]) if "_target_" in inner else None
    return kind.twin(inner) if hasattr(kind, "twin") else inner
