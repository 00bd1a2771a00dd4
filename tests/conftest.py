"""What tests share: a small shapes world, and sentences composed with few words."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig

from vlm.paths import config_dir

if "VLM_TEST_GPU" not in os.environ:
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["HF_HUB_OFFLINE"] = "1"

Compose = Callable[..., DictConfig]
SHARED = Path(__file__).resolve().parents[2] / "shared/data"
"""Real files that others wrote; tests that read them skip where they are not."""


def complete_words(group: str) -> list[str]:
    """The words of a group that say all that there is to say."""
    files = sorted((config_dir() / group).glob("*.yaml"))
    return [path.stem for path in files if "???" not in path.read_text()]


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small shapes world in it."""
    from vlm.corpus.shapes.world import make_world

    folder = tmp_path_factory.mktemp("data")
    make_world(folder / "shapes", seed=7, scale=0.02)
    return folder


@pytest.fixture
def words(data_folder: Path, tmp_path: Path) -> list[str]:
    """Overrides that keep a run small and within the test's own folder."""
    return [
        f"paths.data={data_folder}",
        f"paths.runs={tmp_path}/runs",
        f"paths.cache={tmp_path}/cache",
        "tracking=none",
        "stage.batch_size=4",
        "trainer.max_steps=4",
        "trainer.num_threads=1",
    ]


@pytest.fixture
def compose(words: list[str]) -> Compose:
    """Compose a small sentence with more overrides."""
    from vlm.compose import compose_sentence

    return lambda *overrides: compose_sentence([*words, *overrides]).config
