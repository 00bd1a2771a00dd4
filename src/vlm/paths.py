"""Where the configs and the packaged weights lie, in a checkout and in an installed wheel."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def config_dir() -> Path:
    """Return the configs: `conf/` of this checkout, or the copy that a wheel carries."""
    packaged = _PACKAGE / "conf"
    return packaged if packaged.is_dir() else _PACKAGE.parents[1] / "conf"


def assets_dir() -> Path:
    """Return the folder of the weights that ship with the package."""
    return _PACKAGE / "assets"


def checkpoint_path(checkpoint: str) -> Path | None:
    """Return the folder or file that `checkpoint` names: a packaged asset, or a local path.

    Returns:
        None if the name is neither, so that it can only be a hub's.
    """
    for path in (assets_dir() / checkpoint, Path(checkpoint).expanduser()):
        if path.exists():
            return path
    return None
