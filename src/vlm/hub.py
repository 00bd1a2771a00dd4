"""Files of parts, here or on the model hub."""

from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

from huggingface_hub import constants, get_session

PATIENCE = 5  # seconds


def locate_all(finders: Iterable[Callable[[], None]]) -> None:
    """Find the files of several parts.

    Raises:
        ValueError: Some are missing; one message names those of all parts.
    """
    missing = []
    for find in finders:
        try:
            find()
        except ValueError as error:
            missing.append(str(error))
    if missing:
        raise ValueError("; and ".join(missing))


def settle_hub(files: str) -> None:
    """Work from the hub's local cache alone, if files are to come from a hub that does not answer.

    The hub is asked once: its client would ask six times for every file.
    """
    if not Path(files).exists() and not _answers():
        constants.HF_HUB_OFFLINE = True


@cache
def _answers() -> bool:
    try:
        get_session().head(constants.ENDPOINT, timeout=PATIENCE)
    except Exception:  # each HTTP client has kinds of its own
        return False
    return True
