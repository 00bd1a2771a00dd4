"""A fingerprint changes with everything that can change the weights, and with nothing else."""

import re
from pathlib import Path

import pytest

from tests.conftest import Compose
from vlm.sentence import read_sentence, reads_twin_shards, source_shards

SAME = [
    "name=other",
    "tracking=mlflow",
    "trainer.num_workers=2",
    "trainer.log_every=1",
    "trainer.checkpoint_every=7",
    "mixture.ocr.licence=MIT",
    "encoder.licence=other",
    "stage.image.merge=flat",
    "evaluation=none",
]
DIFFERENT = [
    "seed=2",
    "projector=linear",
    "encoder.layer=-1",
    "encoder.weights=random",
    "stage.optimizer.learning_rate=0.1",
    "stage.batch_size=5",
    "stage.image.mode=crop",
    "stage.image.mode=anyres",
    "image@stage.after.image=anyres_hd",
    "stage.learns.llm=frozen",
    "stage.after.optimizer.learning_rate=0.1",
    "stage.after=null",
    "+template@stage.template=v1",
    "llm.template.human_start=HUMAN",
    "twin=true",
    "mixture.ocr.weight=0.3",
    "mixture.ocr.loss_weight=0.3",
    "~mixture.ocr",
    "trainer.precision=bf16-mixed",
    "trainer.max_steps=5",
    "mixture.ocr.without_text=Answer",
    "tuning=probe3",
]


def name(compose: Compose, *overrides: str) -> str:
    return read_sentence(compose(*overrides)).folder.path.name


@pytest.mark.parametrize("override", SAME)
def test_what_cannot_change_weights_keeps_the_folder(override: str, compose: Compose) -> None:
    assert name(compose, override) == name(compose)


@pytest.mark.parametrize("override", DIFFERENT)
def test_what_can_change_weights_changes_the_folder(override: str, compose: Compose) -> None:
    assert name(compose, override) != name(compose)


def test_a_stage_is_the_same_alone_and_as_somebodys_after(compose: Compose) -> None:
    [align, _] = read_sentence(compose()).lineage()
    assert (
        align.folder.path == read_sentence(compose("stage=align_shapes", "stage.batch_size=32")).folder.path
    )


def test_stages_come_innermost_first(compose: Compose) -> None:
    deep = read_sentence(compose("stage@stage.after=instruct_shapes"))
    assert [stage.name for stage in deep.lineage()] == ["align", "instruct", "instruct"]
    assert [stage.config.stage.name for stage in deep.lineage()] == ["align", "instruct", "instruct"]


def test_the_data_counts_and_its_folder_does_not(compose: Compose, tmp_path: Path, data_folder: Path) -> None:
    from vlm.corpus.shapes.world import make_world

    make_world(tmp_path / "moved/shapes", seed=7, scale=0.02)
    assert name(compose, f"paths.data={tmp_path}/moved") == name(compose)
    make_world(tmp_path / "other/shapes", seed=8, scale=0.02)
    assert name(compose, f"paths.data={tmp_path}/other") != name(compose)


def test_a_nested_stage_without_data_is_named(compose: Compose) -> None:
    config = compose("stage@stage.after=align_shapes", "stage.after.mixture=null")
    with pytest.raises(ValueError, match=r"stage.after.mixture is not set"):
        read_sentence(config)


def test_a_twin_reads_the_shapes_world_where_its_shards_are_not_there(compose: Compose) -> None:
    """And nothing else does."""
    words = ["experiment=llava15_7b", "trainer=cpu", "devices=1"]
    with pytest.raises(ValueError, match=r"mixture.llava.shards"):
        read_sentence(compose(*words, "stage.after=null"))
    config = compose(*words, "twin=true", "+mixture.mine.shards=${paths.data}/shapes/train/ocr-*.tar")
    assert reads_twin_shards(config, "llava")
    assert not reads_twin_shards(config, "mine")
    assert "caption" in str(source_shards(config, "llava")[0])
    assert "ocr" in str(source_shards(config, "mine")[0])


def test_a_budget_stands_for_the_steps_of_the_outermost_stage(compose: Compose) -> None:
    spending = ["budget=flops", "budget.amount=1e9"]
    assert name(compose, *spending) != name(compose, "budget=flops", "budget.amount=2e9")
    assert name(compose, *spending) != name(compose, "budget=tokens", "budget.amount=1e9")
    assert name(compose, *spending) == name(compose, *spending, "stage.steps=7")
    [align, _] = read_sentence(compose(*spending, "tuning=probe3")).lineage()
    assert align.folder.path.name == next(read_sentence(compose()).lineage()).folder.path.name


@pytest.mark.parametrize(
    ("spending", "said"),
    [
        (["budget.amount=5"], "budget.amount goes with a kind: budget=flops budget.amount=1e18"),
        (["budget=flops"], "budget.amount is not set; say budget=flops budget.amount=VALUE"),
        (["budget=flops", "budget.amount=0"], "budget.amount must be above 0, got 0.0"),
        (["tuning=probe3", "tuning.factors=[1,0]"], "tuning.factors must be above 0, got [1.0, 0.0]"),
    ],
)
def test_half_a_budget_is_refused(spending: list[str], said: str, compose: Compose) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        read_sentence(compose(*spending))
