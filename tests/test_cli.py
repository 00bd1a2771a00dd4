"""The command line: quick, and plain about what went wrong."""

import subprocess
import sys
from pathlib import Path

import pytest

from vlm.cli import help_text, main
from vlm.compose import compose_sentence

HEAVY = ("torch", "transformers", "lightning", "mlflow", "numpy", "matplotlib")


@pytest.mark.parametrize("words", [["--help"], ["train", "--help"], ["train", "--cfg", "job"]])
def test_nothing_heavy_is_imported_before_it_is_needed(words: list[str]) -> None:
    code = (
        "import sys; from vlm.cli import main; status = main(sys.argv[1:]); "
        f"loaded = [name for name in {HEAVY} if name in sys.modules]; "
        "sys.exit(status or (loaded and str(loaded)) or 0)"
    )
    asked = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert asked.returncode == 0, asked.stderr


def test_help_lists_every_group_and_its_choices() -> None:
    text = help_text("train")
    for word in ("encoder=", "projector=", "linear  mlp2", "experiment=", "demo"):
        assert word in text


def test_cfg_job_prints_the_sentence_and_runs_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", "projector=linear", "--cfg", "job"]) == 0
    assert "depth: 1" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["train", "stage.optimizer.learning_rte=1"], ["stage.optimizer.learning_rte", "learning_rate"]),
        (["train", "stage.optimizer.learning_rate=fast"], ["learning_rate", "fast", "Float"]),
        (["train", "mixture.ocr.wieght=0.3"], ["mixture.ocr.wieght", "mean weight"]),
        (["train", "projector=foo"], ["projector/foo", "linear", "mlp2"]),
        (["train", "stage.image.mode=squash"], ["image.mode", "squash", "crop"]),
        (["train", "mixture=folder"], ["mixture.samples.shards"]),
        (
            ["train", "mixture=folder", "mixture.samples.shards=nowhere/*.tar"],
            ["nowhere/*.tar", "vlm data pack"],
        ),
        (["train", "mixture.ocr.weight=-1"], ["mixture.ocr.weight", "at least 0", "-1"]),
        (["train", "stage.batch_size=0"], ["stage.batch_size", "at least 1"]),
        (
            ["train", "stage.after.optimizer.learning_rate=0"],
            ["stage.after.optimizer.learning_rate", "above 0"],
        ),
        (["train", "stage.optimizer.warmup_fraction=3"], ["stage.optimizer.warmup_fraction", "at most 1"]),
        (["train", "+projector.width=3"], ["MLPProjector", "width"]),
        (["train", "trainer.precision=int3"], ["trainer.precision=int3", "bf16-mixed"]),
        (["train", "trainer=gpu"], ["trainer.accelerator=gpu", "trainer=cpu"]),
        (["train", "encoder.checkpoint=nowhere"], ["encoder.checkpoint=nowhere", "give its path"]),
        (["train", "llm.context_length=3"], ["raise llm.context_length=3"]),
        (["train", "-m", "projector=linear,foo"], ["projector/foo"]),
        (["train", "stage.learns.encoder=fully"], ["stage.learns", "fully"]),
        (["data", "pack", "jason=x"], ["jason", "json"]),
        (["data", "pack", "json=x"], ["output="]),
        (["data", "index", "shards=nowhere/*.tar"], ["nowhere/*.tar"]),
        (["data", "wash"], ["pack", "index"]),
        (["report", "name=nobody"], ["nobody", "sweep"]),
        (["trian"], ["trian", "train"]),
    ],
)
def test_a_mistake_is_one_line_that_names_the_key(
    words: list[str],
    named: list[str],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    data_folder: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    given = [f"paths.data={data_folder}", "tracking=none"] if words[0] == "train" else []
    assert main([*words, *given]) != 0
    printed = capsys.readouterr().err.strip()
    assert printed.startswith("vlm: error: ")
    assert len(printed.splitlines()) == 1
    for word in named:
        assert word in printed
    runs = tmp_path / "runs"
    left = {path.name for path in runs.rglob("*") if path.is_file()}
    assert left <= {
        "sweep.json",
        "multirun.yaml",
        "config.yaml",
        ".lock",
    }  # and nothing that counts as trained


def test_a_mistake_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlm.verbs.train.run", lambda words: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["train"])


def test_choices_are_recorded_with_the_sentence() -> None:
    assert compose_sentence(["projector=linear"]).choices["projector"] == "linear"
