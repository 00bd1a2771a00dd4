"""Annotation files of published datasets, as LLaVA records; one file a format."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, dataclass, fields
from types import ModuleType
from typing import Any

from vlm.options import parse_options


@dataclass(frozen=True)
class Format:
    """One way in which records are written.

    Args:
        module: Has `Options`, what it reads, and `convert`, from these to records.
    """

    module: ModuleType

    @property
    def about(self) -> str:
        """What it is, in a line."""
        return str(self.module.__doc__).splitlines()[0]

    @property
    def keys(self) -> str:
        """Its options: those that must be given, and the others with what they are by themselves."""
        options = fields(self.module.Options)
        return " ".join(
            f"{option.name}={'...' if option.default in (MISSING, '???') else option.default}"
            for option in options
        )

    def read(self, words: Sequence[str]) -> Iterator[Any]:
        """Return the records that the options name.

        Raises:
            ValueError: An option is unknown or missing, or a file is not what the format reads.
        """
        convert: Callable[[Any], Iterator[Any]] = self.module.convert
        return convert(parse_options(self.module.Options, words))


def format_names() -> list[str]:
    """Return the formats that there are."""
    names = [module.name for module in pkgutil.iter_modules(__path__)]
    return [name for name in names if hasattr(importlib.import_module(f"{__name__}.{name}"), "Options")]


def find_format(name: str) -> Format:
    """Return a format by its name.

    Raises:
        ValueError: There is none of that name.
    """
    if name not in format_names():
        raise ValueError(f"format={name} is none; choose one of {', '.join(format_names())}")
    return Format(importlib.import_module(f"{__name__}.{name}"))
