"""What the real run would meet is told from its sizes, its templates and its files."""

import shutil
from pathlib import Path

import pytest

from tests.conftest import Compose
from vlm.build import plan_model
from vlm.compose import compose_sentence
from vlm.paths import assets_dir
from vlm.study.prove.benchmarks import look_at_benchmarks
from vlm.study.prove.files import look_for_files
from vlm.study.prove.lint import Level, Lint
from vlm.study.prove.sizes import size_up
from vlm.study.prove.templates import check_templates

OWN = "template@llm.template=own"
ANY_LLM = ["llm=huggingface", "llm.checkpoint=tiny_llama", "template@llm.template=bare"]


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (
            ["+template@stage.template=v1"],
            "stage instruct has a template that is not the own one of llm=",
        ),
        (["+template@mixture.ocr.template=v1"], "has a template that is not the own one of llm=tiny_llama"),
        (
            ["+template@stage.template=chatml"],
            "closes answers with <|im_end|>, which is no token of llm=",
        ),
        (["template@llm.template=v1"], "llm=tiny_llama was taught template bare, and is given v1"),
        (["+template@stage.template=plain"], "stage instruct teaches the LLM by template plain, which drops"),
        (ANY_LLM, "llm.checkpoint=tiny_llama carries no chat template, as base LLMs do not"),
    ],
)
def test_templates_are_held_to_what_the_llm_was_taught(more: list[str], text: str) -> None:
    assert any(text in warning for warning in warnings(*more))


@pytest.mark.parametrize("more", [[], ["stage=align_shapes"], ["llm=vicuna7b"], ["llm=mistral7b"]])
def test_templates_that_the_llm_was_taught_are_no_matter(more: list[str]) -> None:
    assert warnings(*more) == []


def warnings(*words: str) -> list[str]:
    sentence = compose_sentence(words)
    lints = list(check_templates(sentence.config, plan_model(sentence.config), sentence.choices))
    assert {lint.level for lint in lints} <= {Level.warning}
    return [lint.text for lint in lints]


@pytest.mark.parametrize(
    ("more", "level", "text"),
    [
        (["llm.context_length=60", "trainer.gate.tolerance=1"], Level.warning, " cut at a context of 60"),
        (["llm.context_length=60"], Level.error, "=60, or set trainer.gate.tolerance"),
        (["image@stage.image=anyres", "llm.context_length=45"], Level.warning, "take up to 51 visual tokens"),
        (["llm.context_length=9"], Level.error, "the 9 visual tokens of a picture leave no room for words"),
        (["stage.optimizer.llm.first_step=4"], Level.error, "=4, but stage instruct ends after 4 steps"),
        (["llm=vicuna7b", "llm.context_length=60"], Level.warning, "counted with the packaged tokenizer"),
        (["llm=vicuna7b", OWN, "llm.context_length=60"], Level.warning, "counted with the packaged"),
        (["mixture.ocr.count=7"], Level.error, "mixture.ocr.count=7, but its shards hold 40 samples"),
    ],
)
def test_sizes_that_do_not_fit_are_named(more: list[str], level: Level, text: str, compose: Compose) -> None:
    config = compose("stage.after=null", *more)
    lints = size_up(config, plan_model(config)).lints
    assert any(lint.level is level and text in lint.text for lint in lints), lints


def test_sources_that_are_not_there_are_named_in_one_line(compose: Compose) -> None:
    config = compose("stage.after=null", "mixture=llava_instruct158k")
    [lint] = size_up(config, plan_model(config)).lints
    assert lint.level is Level.error
    assert lint.text.startswith("stage instruct: mixture.conversation.shards=")
    assert lint.text.endswith("; missing, too: detail, reasoning")


def test_sources_that_commands_make_are_no_error(compose: Compose) -> None:
    config = compose("stage.after=null", "step=self_training/unfiltered", "mixture.ocr.made_by=null")
    note, error = size_up(config, plan_model(config)).lints
    assert (note.level, error.level) == (Level.note, Level.error)
    assert note.text == (
        "stage instruct: vlm train makes what is not there by commands (made_by): attribute, count, "
        "relation, exist, conversation, labelled"
    )
    assert error.text.startswith("stage instruct: mixture.ocr.shards=")


def test_files_that_are_not_here_are_noted_for_each_encoder() -> None:
    config = compose_sentence(["encoder=siglip384_dinov2"]).config
    siglip, dino = look_for_files(config, plan_model(config))
    assert {siglip.level, dino.level} == {Level.note}
    assert siglip.text.startswith(
        "encoder: the files of google/siglip-so400m-patch14-384 are not all on this"
    )
    assert dino.text.startswith("encoder: the files of facebook/dinov2-large are not all on this machine")


def test_files_that_are_wrong_are_errors(tmp_path: Path) -> None:
    shutil.copytree(assets_dir() / "tiny_clip", tmp_path / "clip")
    (tmp_path / "clip/open_clip_model.safetensors").unlink()
    config = compose_sentence([f"encoder.weights={tmp_path}/clip"]).config
    [lint] = look_for_files(config, plan_model(config))
    assert lint.level is Level.error
    assert lint.text.startswith("encoder.checkpoint has no open_clip_model.safetensors; put it in")


def test_missing_benchmarks_are_named() -> None:
    """But for those that are made."""
    config = compose_sentence(["paths.data=nowhere", "+benchmark@evaluation.benchmarks.gqa=gqa"]).config
    [lint] = look_at_benchmarks(config)
    assert isinstance(lint, Lint)
    assert lint.level is Level.error
    assert lint.text.startswith("evaluation.benchmarks.gqa: nowhere")
