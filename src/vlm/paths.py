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


def projector_file(weights: str) -> Path:
    """Return the file that `projector.weights` names.

    Raises:
        ValueError: There is none.
    """
    path = Path(weights).expanduser()
    for found in (path, path / "projector.safetensors", path / "mm_projector.bin"):
        if found.is_file():
            return found
    raise ValueError(
        f"projector.weights must be random, or a path with projector.safetensors or mm_projector.bin; "
        f"got {weights}, which has none"
    )


def part_files(part: str, checkpoint: str, weights: str, files: str) -> str:
    """Return where a part's files are: the folder or file that `weights` names, or its checkpoint.

    Args:
        part: Its group.
        checkpoint: A packaged asset, a local path, or a hub's name.
        weights: `pretrained`, `random`, or a path.
        files: What must be there, in words.

    Raises:
        ValueError: `weights` names a path that does not exist.
    """
    if weights in ("pretrained", "random"):
        return str(checkpoint_path(checkpoint) or checkpoint)
    path = Path(weights).expanduser()
    if not path.exists():
        raise ValueError(
            f"{part}.weights must be pretrained, random, or a path with {files}; got {weights}, which is "
            "not there"
        )
    return str(path)
