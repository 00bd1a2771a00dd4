"""What axes change without saying so is said, and nothing else."""

import pytest

from vlm.compose import compose_sentence
from vlm.study.prove.axes import compare_axes
from vlm.study.prove.cells import expand
from vlm.study.prove.lint import Level


def said(*words: str) -> list[tuple[str, str]]:
    cells = expand(words, multirun=True)
    lints = compare_axes(cells, [compose_sentence(cell.words) for cell in cells])
    return [(lint.level.value, lint.text) for lint in lints]


@pytest.mark.parametrize(
    "words",
    [
        ["projector=linear,mlp2", "seed=1,2"],
        ["projector=mlp2,c_abstractor,resampler64", "stage.optimizer.learning_rate=1e-3,2e-3"],
        ["encoder=clip336,clip336_dinov2", "stage.learns.llm=full,frozen"],
        ["experiment=llava15_7b,llava15_13b_lora"],
        ["+template@mixture.ocr.template=v1,bare"],
        ["seed=1,1"],
    ],
)
def test_axes_that_change_what_they_say_are_no_matter(words: list[str]) -> None:
    assert said(*words) == []


def test_a_choice_that_drags_another_along_is_noted() -> None:
    [note] = said("llm=tiny_llama,mistral7b")
    assert note == (
        Level.note.value,
        "llm=mistral7b instead of tiny_llama also changes llm.template (bare to mistral)",
    )
    assert said("llm=tiny_llama,mistral7b", "template@llm.template=bare") == []


def test_a_stage_that_brings_an_adapter_and_a_mixture_is_noted() -> None:
    [(_, note)] = said("stage=instruct,instruct_qlora")
    for part in (
        "adapter (none to qlora)",
        "mixture (instruct_default to instruct_qlora_default)",
        "stage.image",
    ):
        assert part in note


def test_values_that_follow_others_are_noted() -> None:
    [(_, note)] = said("paths.data=here,there")
    assert note.startswith("paths.data=there instead of here also changes ")
    assert "mixture.attribute.shards (here/shapes/train/attribute-*.tar to there/shapes/train/" in note
    assert note.endswith("more values")


def test_axes_that_change_the_same_value_are_warned_of() -> None:
    found = said("paths.data=here,there", "mixture=shapes_captions,shapes_questions")
    [warning] = [text for level, text in found if level == "warning"]
    assert warning.startswith("paths.data and mixture both change mixture.attribute.shards, ")
