"""The whole loop in one sentence: a teacher learns, is served and asked; a stage learns from its answers."""

import json
from pathlib import Path

import pytest

from vlm.cli import main
from vlm.data.locate import find_shards
from vlm.data.shards import ShardSource


def test_a_stage_learns_from_what_a_served_model_says(
    words: list[str], data_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    ours = ["tracking=none", "stage.batch_size=4", "trainer.max_steps=4", "trainer.num_threads=1"]
    made = tmp_path / "labelled"
    label = [
        "label", *ours, f"shards={data_folder}/shapes/train/exist-*.tar", "limit=6", "replies=2",
        f"output={made}", f"cache={tmp_path}/replies", "min_agreement=0", "min_confidence=0",
        "max_tokens=4",
    ]  # fmt: skip
    commands = ",".join(f"'{' '.join(command)}'" for command in (["train", *ours], label))
    source = [f"+mixture.labelled.shards={made}/*.tar", f"+mixture.labelled.made_by=[{commands}]"]
    assert main(["train", *words, *source, "evaluation.benchmarks={}"]) == 0
    said = capfd.readouterr().out
    assert "serving instruct_shapes-" in said or "serving instruct-" in said
    rows = json.loads((made / "llava.json").read_text())
    kept = ShardSource("labelled", find_shards("labelled", f"{made}/*.tar"))
    assert len(kept) == len(rows) > 0
    assert all(0 < answer["confidence"] <= 1 for row in rows for answer in row["provenance"]["answers"])
    runs = sorted(tmp_path.glob("runs/instruct*"))
    assert len(runs) == 2  # the teacher's and its student's
    student = next(run for run in runs if "labelled" in (run / "manifest.json").read_text())
    assert json.loads((student / "manifest.json").read_text())


@pytest.mark.slow
def test_a_stage_learns_from_what_a_model_of_ours_writes_of_captions(
    words: list[str], data_folder: Path, tmp_path: Path
) -> None:
    assert main(["train", *words, "evaluation.benchmarks={}"]) == 0
    (run,) = tmp_path.glob("runs/instruct*")
    lenient = ["min_words=1", "language=any", "max_overlap=1", "max_distance=0"]
    source = ["format=shapes", f"source={data_folder}/shapes", f"run={run}", f"cache={tmp_path}/replies"]
    asked = ["limit=60", "shots=0", "system_role=false", "kinds=[detail]", "max_tokens=200"]
    assert main(["synthesize", *source, *asked, *lenient, f"output={tmp_path}/made"]) == 0
    learn = ["stage.after=null", "mixture=folder", f"mixture.samples.shards={tmp_path}/made/*.tar"]
    assert main(["train", *words, *learn, "evaluation.benchmarks={}"]) == 0
    assert len(list(tmp_path.glob("runs/instruct*/manifest.json"))) == 2
