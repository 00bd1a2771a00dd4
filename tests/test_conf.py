"""Every choice composes, binds to its class, and is reachable by its word."""

import inspect
from pathlib import Path

import pytest
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf

from vlm.compose import compose_sentence
from vlm.paths import config_dir

GROUPS = sorted(path.name for path in config_dir().iterdir() if path.is_dir())
CHOICES = [(group, path.stem) for group in GROUPS for path in sorted((config_dir() / group).glob("*.yaml"))]
SENTENCE_GROUPS = sorted(set(GROUPS) - {"template", "benchmark", "image", "judge"})
MORE = {
    ("mixture", "folder"): ["mixture.samples.shards=x.tar"],
    ("encoder", "open_clip"): ["encoder.architecture=RN50", "encoder.checkpoint=openai"],
    ("encoder", "huggingface"): ["encoder.checkpoint=x"],
    ("encoder", "fused"): ["+encoder@encoder.encoders.a=clip224", "+encoder@encoder.encoders.b=sam_base"],
    ("llm", "huggingface"): ["llm.checkpoint=x", "template@llm.template=v1"],
}
"""What a choice leaves open."""
GIVEN_BY_BUILD = {"vision_dim": 1, "text_dim": 1, "grid": (1, 1)}


def targets(node: object) -> list[DictConfig]:
    """Every node of a config that names a class."""
    if not isinstance(node, DictConfig) or node._is_none():
        return []
    inner = [found for key in node for found in targets(node._get_node(key))]
    return ([node] if node.get("_target_") else []) + inner


@pytest.mark.parametrize(("group", "choice"), [pair for pair in CHOICES if pair[0] in SENTENCE_GROUPS])
def test_every_choice_composes_and_binds_to_its_class(group: str, choice: str) -> None:
    config = compose_sentence([f"{group}={choice}", *MORE.get((group, choice), [])]).config
    OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    for node in targets(config):
        signature = inspect.signature(get_object(node._target_))
        keys = set(node) - {"_target_", "made_by"}
        keys -= {"weights"} - set(signature.parameters)  # a projector's are the build's to load
        given = {
            name: size for name, size in GIVEN_BY_BUILD.items() if name in set(signature.parameters) - keys
        }
        signature.bind(**dict.fromkeys(keys, None), **given)


@pytest.mark.parametrize("choice", [choice for group, choice in CHOICES if group == "template"])
def test_every_template_binds_to_its_class(choice: str) -> None:
    config = compose_sentence([f"+template@stage.template={choice}", "stage.after=null"]).config
    node = config.stage.template
    inspect.signature(get_object(node._target_)).bind(**dict.fromkeys(set(node) - {"_target_"}, None))


@pytest.mark.parametrize("choice", [choice for group, choice in CHOICES if group == "benchmark"])
def test_every_benchmark_binds_to_its_class_and_says_where_it_lies(choice: str) -> None:
    words = ["evaluation=chosen", f"+benchmark@evaluation.benchmarks.one={choice}", "paths.data=here"]
    node = compose_sentence(words).config.evaluation.benchmarks.one
    for found in targets(node):
        keys = set(found) - {"_target_", "made_by"}
        inspect.signature(get_object(found._target_)).bind(**dict.fromkeys(keys, None))
    place = node.get("folder") or node.shards
    assert place.startswith("here/")


@pytest.mark.parametrize("choice", [choice for group, choice in CHOICES if group == "judge"])
def test_every_judge_binds_to_its_class(choice: str) -> None:
    words = ["evaluation=chosen", "+benchmark@evaluation.benchmarks.one=mm_vet"]
    words += [f"judge@evaluation.benchmarks.one.judge={choice}"]
    node = compose_sentence(words).config.evaluation.benchmarks.one.judge
    inspect.signature(get_object(node._target_)).bind(**dict.fromkeys(set(node) - {"_target_"}, None))


@pytest.mark.parametrize("choice", [choice for group, choice in CHOICES if group == "image"])
def test_every_way_to_prepare_pictures_composes(choice: str) -> None:
    image = compose_sentence([f"image@stage.image={choice}"]).config.stage.image
    assert image.mode.value == choice.partition("_")[0]


def test_what_must_be_said_is_named() -> None:
    with pytest.raises(ValueError, match=r"encoder.architecture is not set; .* as conf/encoder/open_clip"):
        compose_sentence(["encoder=open_clip", "encoder.checkpoint=openai"])


def test_no_words_give_the_embedded_default() -> None:
    choices = compose_sentence([]).choices
    expected = {"encoder": "tiny_clip", "projector": "mlp2", "llm": "tiny_llama", "stage": "instruct_shapes"}
    assert expected.items() <= choices.items()
    assert choices["mixture"] == "instruct_shapes_default"


def test_the_mixture_follows_the_stage_unless_it_is_named() -> None:
    assert set(compose_sentence(["stage=align_shapes"]).config.mixture) == {"caption"}
    named = compose_sentence(["stage=align_shapes", "mixture=shapes_questions"]).config
    assert "ocr" in named.mixture


def test_a_stage_holds_the_stage_before_and_can_swap_change_or_drop_it() -> None:
    assert compose_sentence([]).config.stage.after.name == "align"
    assert set(compose_sentence([]).config.stage.after.mixture) == {"caption"}
    changed = compose_sentence(["stage.after.optimizer.weight_decay=0.1"]).config
    assert changed.stage.after.optimizer.weight_decay == 0.1
    assert changed.stage.optimizer.weight_decay == 0.0
    assert compose_sentence(["stage.after=null"]).config.stage.after is None
    deeper = compose_sentence(["stage@stage.after=instruct_shapes"]).config
    assert deeper.stage.after.after.name == "align"


def test_one_override_reweights_or_removes_a_source() -> None:
    config = compose_sentence(["mixture.ocr.weight=0.3", "~mixture.count"]).config
    assert config.mixture.ocr.weight == 0.3
    assert "count" not in config.mixture


@pytest.mark.parametrize("stage", ["align_shapes", "instruct_shapes"])
def test_one_override_adds_a_source(stage: str) -> None:
    words = [f"stage={stage}", "+mixture.mine.shards=data/*.tar", "+mixture.mine.loss_weight=0.5"]
    source = compose_sentence(words).config.mixture.mine
    assert (source.shards, source.loss_weight, source.weight) == ("data/*.tar", 0.5, 1)
    with pytest.raises(ValueError, match=r"mixture.mine.shards is not set; say mixture.mine.shards=VALUE"):
        compose_sentence(["+mixture.mine.weight=2"])


def test_a_new_source_may_have_a_template_of_its_own() -> None:
    words = ["+mixture.mine.shards=x.tar", "+template@mixture.mine.template=v1"]
    assert compose_sentence(words).config.mixture.mine.template._target_.endswith("VicunaTemplate")


def test_a_source_that_is_there_is_not_added_again() -> None:
    with pytest.raises(ValueError, match=r"mixture.ocr is there already; change it without the \+"):
        compose_sentence(["+mixture.ocr.weight=2"])


def test_an_experiment_beats_the_default_and_a_word_beats_the_experiment() -> None:
    assert compose_sentence(["experiment=demo"]).config.name == "demo"
    assert compose_sentence(["experiment=demo", "name=mine"]).config.name == "mine"


def test_an_experiment_with_axes_says_so() -> None:
    assert compose_sentence(["experiment=demo"]).states_axes
    assert not compose_sentence([]).states_axes


def test_the_config_cannot_be_changed_after_composing() -> None:
    config = compose_sentence([]).config
    with pytest.raises(Exception, match="read-only"):
        config.seed = 2


def test_the_experiment_group_is_the_experiments_folder() -> None:
    link = config_dir() / "experiment"
    assert link.is_symlink()
    assert link.resolve() == Path(__file__).resolve().parents[1] / "experiments"
