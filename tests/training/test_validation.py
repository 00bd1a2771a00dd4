"""Held-out samples: never learned from, their loss by source, answers to look at, the best state."""

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.conftest import Compose
from vlm.build import build_model
from vlm.build_data import build_dataset, build_held_out
from vlm.cli import main
from vlm.training.validation import Validation

HELD_OUT = ["mixture.ocr.held_out=7", "mixture.count.held_out=3"]


def test_held_out_samples_are_never_learned_from(compose: Compose) -> None:
    config = compose("stage.after=null", "stage.steps=400", "trainer.max_steps=null", *HELD_OUT)
    dataset = build_dataset(config, build_model(config))
    drawn = dataset.drawn(range(1600))
    for name, number in (("ocr", 7), ("count", 3), ("exist", 0)):
        reader = dataset.readers[dataset.names.index(name)]
        learned = drawn[drawn[:, 0] == dataset.names.index(name), 1]
        assert set(learned) == set(range(len(reader.shards) - number))
        assert sum(reader.shard_sizes) == len(reader) == len(reader.shards) - number


def test_devices_share_the_held_out_rows_and_pass_as_often(compose: Compose) -> None:
    config = compose("stage.after=null", "trainer.tokens_per_row=150", *HELD_OUT)
    dataset = build_dataset(config, build_model(config))
    held_out = build_held_out(config, dataset)
    whole = [key for row in held_out.rows("ocr", 0, 1) for key in row.keys]
    shares = [list(held_out.rows("ocr", rank, 2)) for rank in range(2)]
    assert len(shares[0]) == len(shares[1])
    keys = [key for share in shares for row in share for key in row.keys if key != "/"]
    assert sorted(keys) == sorted(whole)
    assert len(set(whole)) == 7
    assert [f"ocr/{sample.key}" for sample in held_out.samples("ocr", 99)] == sorted(whole)
    assert len(held_out.samples("ocr", 3)) == 3


@pytest.fixture
def run(words: list[str], tmp_path: Path) -> list[str]:
    tracked = [word for word in words if not word.startswith("tracking=")]
    return [*tracked, "evaluation=none", "stage.after=null", *HELD_OUT]


def history(tmp_path: Path, key: str) -> dict[int, float]:
    client = MlflowClient(f"sqlite:///{tmp_path}/runs/mlflow.db")
    [experiment] = [found for found in client.search_experiments() if found.name == "default"]
    [stage] = client.search_runs([experiment.experiment_id], "tags.folder != ''")
    return {metric.step: metric.value for metric in client.get_metric_history(stage.info.run_id, key)}


def test_losses_and_answers_are_recorded(run: list[str], tmp_path: Path) -> None:
    assert main(["train", *run, "trainer.validate_every=2", "trainer.sample_answers=2"]) == 0
    assert set(history(tmp_path, "validation/ocr/loss")) == {2, 4}
    both = history(tmp_path, "validation/loss")[4]
    parts = [history(tmp_path, f"validation/{name}/loss")[4] for name in ("ocr", "count")]
    assert min(parts) < both < max(parts)
    [table] = tmp_path.glob("runs/artifacts/*/*/artifacts/answers/step-4.json")
    content = json.loads(table.read_text())
    rows = [dict(zip(content["columns"], row, strict=True)) for row in content["data"]]
    assert [row["source"] for row in rows] == ["count", "count", "ocr", "ocr"]
    assert all("?" in row["question"] and row["expected"] for row in rows)
    assert all(row["image"]["type"] == "image" for row in rows)


def test_it_computes_in_the_precision_of_training(run: list[str], tmp_path: Path) -> None:
    often = ["trainer.validate_every=2", "trainer.sample_answers=1", "evaluation.every=4"]
    few = [
        "evaluation=shapes",
        "evaluation.questions=3",
        "evaluation.questions_in_training=3",
        "evaluation.controls=[]",
    ]
    assert main(["train", *run, *often, *few, "trainer.precision=bf16-mixed"]) == 0
    assert set(history(tmp_path, "validation/loss")) == {2, 4}
    assert set(history(tmp_path, "benchmark/shapes/accuracy")) == {4}


def test_validation_changes_nothing(run: list[str], tmp_path: Path) -> None:
    """With dropout: the steps between draw what they would have drawn."""
    lora = [*LORA, "tracking=none"]
    assert main(["train", *run, *lora, f"paths.runs={tmp_path}/without"]) == 0
    often = ["trainer.validate_every=1", "trainer.sample_answers=1", "trainer.num_workers=0"]
    assert main(["train", *run, *lora, *often, f"paths.runs={tmp_path}/with"]) == 0
    first, second = (
        next(tmp_path.glob(f"{name}/*/weights/llm/adapter_model.safetensors")) for name in ("without", "with")
    )
    assert first.read_bytes() == second.read_bytes()


LORA = ["twin=true", "adapter=lora64", "stage.learns.llm=adapter"]


@pytest.mark.parametrize("more", [[], LORA], ids=["full", "lora"])
def test_the_best_state_stays_and_can_be_asked(
    more: list[str],
    run: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    losses = iter([3.0, 1.0, 2.0, 4.0])
    monkeypatch.setattr(Validation, "losses", lambda *_: {"validation/loss": next(losses)})
    words = [*run, *more, "tracking=none", "trainer.validate_every=1", "trainer.keep_best=true"]
    assert main(["train", *words]) == 0
    [state] = tmp_path.glob("runs/instruct-*/checkpoints/*/state.json")
    facts = json.loads(state.read_text())
    assert (facts["validation_loss"], facts["step"], facts["skipped"]) == (1.0, 2, 0)
    asked = ["evaluate", *words, "evaluation=shapes", "evaluation.table_size=0"]
    assert main([*asked, "checkpoint=3"]) != 0
    assert "checkpoint=3 is none of" in capsys.readouterr().err
    assert main([*asked, "checkpoint=best"]) == 0
    assert "shapes: 25 questions, 25 answered" in capsys.readouterr().out
    assert main([*asked, "checkpoint=2"]) == 0
    assert "scores are known" in capsys.readouterr().out


@pytest.mark.parametrize("key", ["keep_best=true", "validate_every=5", "sample_answers=2"])
def test_there_must_be_something_to_validate_on(
    key: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *words, f"trainer.{key}"]) != 0
    assert "no source holds out samples; say mixture." in capsys.readouterr().err


def test_something_must_be_left_to_learn_from(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", *words, "mixture.ocr.held_out=100000", "stage.after=null"]) != 0
    assert "mixture.ocr.held_out=100000 leaves nothing of its" in capsys.readouterr().err
