"""The model hub, asked once whether it answers: its client would ask six times for every file."""

from functools import cache
from pathlib import Path

from huggingface_hub import constants, get_session

PATIENCE = 5  # seconds


def settle_hub(files: str) -> None:
    """Work from the hub's local cache alone, if files are to come from a hub that does not answer."""
    if not Path(files).exists() and not _answers():
        constants.HF_HUB_OFFLINE = True


@cache
def _answers() -> bool:
    try:
        get_session().head(constants.ENDPOINT, timeout=PATIENCE)
    except Exception:  # each HTTP client has kinds of its own
        return False
    return True
