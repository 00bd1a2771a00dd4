"""Where a run came from: commit, versions, machine."""

import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("torch", "lightning", "transformers", "open_clip_torch", "hydra-core", "mlflow")


def provenance() -> dict[str, str]:
    """Return what a reader needs to repeat the run on another day."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "git_commit": _git("rev-parse", "HEAD") or "unknown",
        "git_dirty": str(bool(_git("status", "--porcelain"))).lower(),
        "python": platform.python_version(),
        "vlm": version("vlm"),
        **{package: version(package) for package in PACKAGES},
    }


def _git(*words: str) -> str:
    """Ask git about this package's checkout; an installed wheel has none."""
    try:
        folder = Path(__file__).parent
        asked = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return asked.stdout.strip()
