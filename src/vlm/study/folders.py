"""Where the folder of a run is that somebody names."""

from collections.abc import Sequence
from pathlib import Path

from vlm.compose import Sentence, compose_sentence


def find_folder(where: str, words: Sequence[str], said: str) -> Path:
    """Return the folder that is meant.

    Args:
        where: The folder itself, or the id of a run of the tracker, which knows the folder.
        words: Of the sentence whose tracker is asked.
        said: What the user said, for messages.

    Raises:
        ValueError: There is none.
    """
    folder = Path(where).expanduser()
    if folder.is_dir():
        return folder
    tagged = _tagged(where, compose_sentence(words))
    if tagged is None or not Path(tagged).is_dir():
        raise ValueError(f"{said} is no folder, and the tracker's run of that name has none: {tagged}")
    return Path(tagged)


def _tagged(run: str, sentence: Sentence) -> str | None:
    from vlm.build import build_tracker  # noqa: PLC0415 (torch and MLflow take seconds)

    tags = build_tracker(sentence.config).tags(run)
    return tags.get("folder") or tags.get("model")  # a stage's own, or that of a cell's last stage


def folder_before(folder: Path, after: str) -> Path:
    """Return the folder of the run that another starts from: it lies beside it.

    Args:
        folder: Of the run.
        after: Fingerprint of what it starts from.

    Raises:
        ValueError: It is not there.
    """
    beside = sorted(folder.parent.glob(f"*-{after}"))
    if not beside:
        raise ValueError(
            f"{folder} starts from a run that ends in -{after}, which is not beside it; copy that one, too"
        )
    return beside[0]
