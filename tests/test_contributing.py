"""The walkthrough of CONTRIBUTING, walked: two new files in a copy of the project, and no edit."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vlm.paths import config_dir

ROOT = Path(__file__).parents[1]
NAMED_BLOCK = re.compile(r"^`([^`\n]+\.(?:py|yaml))`.*?^```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The project with the walkthrough's files in it."""
    project = tmp_path / "project"
    for folder in ("src", "experiments", "tests/projector"):
        shutil.copytree(ROOT / folder, project / folder)
    shutil.copytree(config_dir(), project / "conf", symlinks=True)
    for file in ("tests/__init__.py", "tests/conftest.py", "pyproject.toml"):
        shutil.copy(ROOT / file, project / file)
    for name, text in NAMED_BLOCK.findall((ROOT / "CONTRIBUTING.md").read_text()):
        assert not (project / name).exists()
        (project / name).write_text(text)
    return project


def run(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(project / "src"), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_a_new_projector_is_two_files(copy: Path, words: list[str]) -> None:
    assert {"src/vlm/projector/row_mean.py", "conf/projector/row_mean.yaml"} <= {
        name for name, _ in NAMED_BLOCK.findall((ROOT / "CONTRIBUTING.md").read_text())
    }
    trained = run(copy, "vlm", "train", "projector=row_mean", "stage=align_shapes", "evaluation=none", *words)
    assert trained.returncode == 0, trained.stderr
    assert "RowMeanProjector" in trained.stdout
    contract = run(copy, "pytest", "-q", "-k", "row_mean", "tests/projector/test_contract.py")
    assert contract.returncode == 0, contract.stdout
    assert "10 passed" in contract.stdout
