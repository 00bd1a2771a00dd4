"""Checkpoints of published parts, here or on the model hub."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

from huggingface_hub import constants, get_session
from safetensors import SafetensorError

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


def read_checkpoint(kind: Any, part: str, files: str, needed: str, **options: Any) -> Any:
    """Let one of transformers' classes read its file or files.

    Args:
        kind: Has `from_pretrained`.
        part: Its group, which names the key.
        files: A folder, or a hub's name.
        needed: What must be there, in words.
        options: Of `from_pretrained`.

    Raises:
        ValueError: Something is missing, damaged, or does not fit its `config.json`.
    """
    settle_hub(files)
    read = partial(kind.from_pretrained, trust_remote_code=False, **options)  # which would ask, and run code
    return read_files(read, part, files, needed)


def read_files(read: Callable[[str], Any], part: str, files: str, needed: str) -> Any:
    """Let something read a part's files, and say in one line what is wrong with them.

    Raises:
        ValueError: Something is missing, damaged, or does not fit its `config.json`.
    """
    try:
        return read(files)
    except OSError as error:
        raise ValueError(
            f"{part}.checkpoint={files} is no readable folder, and no hub gives it "
            f"({str(error).splitlines()[0]}); put {needed} into a folder and say {part}.weights=FOLDER"
        ) from error
    except (RuntimeError, ValueError, SafetensorError) as error:
        raise ValueError(
            f"{part}.checkpoint={files} is damaged or does not fit its config.json ({error}); copy it again"
        ) from error


def check_stated(stated: Mapping[str, Any], found: Any, part: str, files: str) -> None:
    """Hold what the settings state of a configuration to the one that was found.

    Raises:
        ValueError: They differ.
    """
    for key, value in stated.items():
        actual = getattr(found, key, value)
        if actual != value:
            raise ValueError(
                f"{part}.config.{key}={value}, but {files}/config.json says {actual}; "
                f"{part}.config=null takes what the files say"
            )


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
