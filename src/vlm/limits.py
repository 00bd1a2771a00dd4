"""Values that have limits."""

from dataclasses import field
from typing import Any

from omegaconf import MISSING


def limited(
    default: Any = MISSING,
    *,
    least: int | float | None = None,
    above: int | float | None = None,
    most: int | float | None = None,
) -> Any:
    """A field whose value `check_limits` holds to `least <= value <= most` and `value > above`."""
    limits = {"at least": least, "above": above, "at most": most}
    return field(
        default=default, metadata={name: limit for name, limit in limits.items() if limit is not None}
    )
