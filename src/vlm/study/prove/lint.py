"""What is to be said of a sweep before it runs."""

from dataclasses import dataclass
from enum import Enum


class Level(Enum):
    """How much it matters."""

    error = "error"  # no GPU should be booked for it
    warning = "warning"  # it runs, and perhaps does not say what it is meant to say
    note = "note"  # somebody should know


@dataclass(frozen=True)
class Lint:
    """One thing.

    Args:
        level: How much it matters.
        text: One line that names the key, the value and, if there is one, the remedy.
    """

    level: Level
    text: str


def one_line(error: BaseException) -> str:
    """Return what an error says, in one line; what is no user's to mend is told by its kind, too."""
    cause = error.__cause__
    if type(error).__name__ == "InstantiationException" and isinstance(cause, ValueError | OSError):
        return one_line(cause)  # the part's own words; Hydra's around them name only the class
    said = " ".join(line.strip() for line in str(error).splitlines() if line.strip())
    if isinstance(error, ValueError | OSError) and said:
        return said
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
