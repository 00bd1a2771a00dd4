"""A system message in the place that a template has for it."""

import copy
import re

from vlm.data.llava import HeadedTemplate
from vlm.data.template import Template, TurnTemplate

_MARK = r"(?:<\|[^|<>]*\|>|<</?SYS>>|\[INST\])"
_PLACE = re.compile(rf"((?:{_MARK}\s*(?:system\b\s*)?)*)(.*?)((?:\s*{_MARK})*\s*)", re.DOTALL)
"""What opens a system text (`<|im_start|>system`, `[INST] <<SYS>>`), its words, and what closes it."""


def with_system(template: Template, words: str) -> Template:
    """Return a template that says these words where it says its own system text.

    Raises:
        ValueError: It has none.
    """
    if not isinstance(template, TurnTemplate | HeadedTemplate) or not template.system.strip():
        raise ValueError(
            "this model's template has no place for a system message; put it into the first user message"
        )
    found = _PLACE.fullmatch(template.system)
    assert found
    other = copy.copy(template)
    other.system = found[1] + words.strip() + found[3]
    return other
