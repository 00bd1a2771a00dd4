"""A model may be named by its folder, by the tracker's run, or be somebody else's."""

import shutil
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from tests.exchange.test_huggingface import write
from tests.exchange.upstream import llava
from vlm.cli import main
from vlm.compose import compose_sentence
from vlm.sentence import read_sentence
from vlm.study.named import open_named
from vlm.study.stage import load_model


@pytest.fixture
def asked(words: list[str]) -> list[str]:
    own = [word for word in words if not word.startswith("stage.")]  # which a model brings along
    return ["evaluation.questions=6", "evaluation.controls=[]", *own]


@pytest.fixture
def run(words: list[str], capsys: pytest.CaptureFixture[str]) -> Path:
    """Where a small run with a seed of its own is, and what it scored is forgotten."""
    trained = [*words, "seed=3", "evaluation=none", "trainer.max_steps=2"]
    assert main(["train", *trained]) == 0
    capsys.readouterr()
    return read_sentence(compose_sentence(trained).config).folder.path


def test_a_run_is_found_wherever_it_lies_and_whatever_it_is_called(
    run: Path, asked: list[str], words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [align] = run.parent.glob("align-*")
    moved = tmp_path / "elsewhere/any name"
    shutil.copytree(run, moved)
    shutil.copytree(align, moved.parent / align.name)
    shutil.rmtree(run.parent)
    sentence = compose_sentence([*words, "seed=3", "trainer.max_steps=2"]).config
    named = open_named(str(moved), None, asked)
    assert named.sentence.config.seed == 3
    assert named.planned.folder.path == moved
    assert named.sentence.config.stage == sentence.stage
    assert main(["evaluate", f"run={moved}", *asked]) == 0
    said = capsys.readouterr().out
    assert "shapes: 6 questions, 6 answered" in said
    assert list(moved.glob("evaluations/shapes-*.json"))
    assert main(["evaluate", f"run={moved}", *asked]) == 0
    assert "scores are known" in capsys.readouterr().out


def test_its_weights_are_the_runs(run: Path, asked: list[str]) -> None:
    named = open_named(str(run), None, asked)
    mine, its = named.load(), load_model(named.planned)
    for (name, one), two in zip(mine.named_parameters(), its.parameters(), strict=True):
        assert torch.equal(one, two), name
    manifest = named.planned.folder.read_manifest()
    assert manifest["identity"]["seed"] == 3


def test_the_tracker_knows_it_by_its_id(
    words: list[str], asked: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    tracked = [word for word in words if not word.startswith("tracking=")]
    assert main(["train", *tracked, "evaluation=none", "trainer.max_steps=2"]) == 0
    from mlflow import MlflowClient

    [runs] = [word for word in words if word.startswith("paths.runs=")]
    client = MlflowClient(f"sqlite:///{runs.removeprefix('paths.runs=')}/mlflow.db")
    found = client.search_runs([one.experiment_id for one in client.search_experiments()])
    cell = next(one for one in found if "cell" in one.data.tags)
    capsys.readouterr()
    mine = [word for word in asked if not word.startswith("tracking=")]
    assert main(["evaluate", f"run={cell.info.run_id}", *mine]) == 0
    assert "shapes: 6 questions, 6 answered" in capsys.readouterr().out
    assert main(["evaluate", "run=0123456789abcdef", *mine]) == 2
    assert "has no run 0123456789abcdef" in capsys.readouterr().err


def test_a_folder_of_somebody_else_is_asked(
    asked: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(tmp_path / "theirs", llava())
    assert main(["evaluate", f"run={folder}", *asked]) == 0
    assert "shapes: 6 questions, 6 answered" in capsys.readouterr().out
    shutil.move(folder, tmp_path / "moved")
    assert main(["evaluate", f"run={tmp_path}/moved", *asked]) == 0
    assert "scores are known" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (["projector=linear"], "projector=linear has no effect: run="),
        (["stage.image.mode=crop"], "stage.image.mode=crop has no effect: run="),
        (["answers=x", "benchmark=pope"], "answers=x needs no model"),
    ],
)
def test_words_that_would_have_no_effect_are_refused(
    said: list[str], message: str, run: Path, asked: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", f"run={run}", *asked, *said]) == 2
    assert message in capsys.readouterr().err


def test_what_is_missing_or_foreign_is_one_line(
    run: Path, asked: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    [align] = run.parent.glob("align-*")
    for change, message in (
        (lambda: f"{tmp_path}/empty", "is neither a run of ours"),
        (lambda: f"{tmp_path}/nowhere", "tracking=none keeps no run"),
        (lambda: (shutil.rmtree(align), str(run))[1], "which is not beside it"),
        (lambda: (_point_elsewhere(run), str(run))[1], "names os.system, which is no part of vlm's"),
    ):
        assert main(["evaluate", f"run={change()}", *asked]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1


def _point_elsewhere(run: Path) -> None:
    config = OmegaConf.load(run / "config.yaml")
    config.projector._target_ = "os.system"
    (run / "config.yaml").write_text(OmegaConf.to_yaml(config))
