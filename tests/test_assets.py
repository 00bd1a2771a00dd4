"""The packaged parts are those that the manifest describes, and as good as it says."""

import json
import sys
from pathlib import Path

import pytest

from vlm.paths import assets_dir
from vlm.run.fingerprint import files_hash

MANIFEST = json.loads((assets_dir() / "manifest.json").read_text())
RECIPES = Path(__file__).resolve().parents[1] / "parts"


def test_the_manifest_describes_the_files() -> None:
    assert set(MANIFEST) == {"tiny_clip", "tiny_llama"}
    for name, part in MANIFEST.items():
        assert {"command", "seed", "steps", "loss", "date"} <= set(part)
        files = {path.name: files_hash(path) for path in (assets_dir() / name).iterdir()}
        assert files == part["files"]


def test_they_are_small() -> None:
    sizes = [path.stat().st_size for path in assets_dir().rglob("*") if path.is_file()]
    assert sum(sizes) < 8 * 2**20


def test_they_were_ready() -> None:
    assert MANIFEST["tiny_llama"]["written_accuracy"]["all"] >= 0.95
    assert min(MANIFEST["tiny_clip"]["probe_accuracy"][fact] for fact in ("color", "kind")) >= 0.90


@pytest.fixture
def recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(RECIPES))
    for name in ("encoder", "llm", "corpus", "tokenizer", "train"):
        sys.modules.pop(name, None)


@pytest.mark.slow
@pytest.mark.usefixtures("recipes")
def test_the_manifests_figures_can_be_measured_again() -> None:
    from train import NUM_QUESTIONS, probe_encoder, read_skills

    assert probe_encoder(assets_dir() / "tiny_clip") == pytest.approx(
        MANIFEST["tiny_clip"]["probe_accuracy"], abs=0.005
    )
    for name, skills in read_skills(assets_dir() / "tiny_llama", NUM_QUESTIONS).items():
        assert skills == pytest.approx(MANIFEST["tiny_llama"][name], abs=0.005)


@pytest.mark.usefixtures("recipes")
def test_the_encoders_features_tell_color_and_shape_of_each_place() -> None:
    from train import probe_encoder

    measured = probe_encoder(assets_dir() / "tiny_clip", num_scenes=800)
    assert min(measured["color"], measured["kind"]) >= 0.90


@pytest.mark.usefixtures("recipes")
def test_the_llm_answers_from_scenes_it_reads() -> None:
    from train import read_skills

    for skills in read_skills(assets_dir() / "tiny_llama", 500).values():
        assert skills["all"] >= 0.95
