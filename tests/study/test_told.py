"""What a tracker is told of runs: short names, few params, descriptions that a reader understands."""

import re

from tests.conftest import Compose
from vlm.compose import compose_sentence
from vlm.config import PARTS
from vlm.paths import config_dir
from vlm.sentence import read_sentence
from vlm.study.told import (
    describe_cell,
    describe_stage,
    describe_sweep,
    name_of,
    params_of,
    question_of,
    stage_words,
    words_of,
)

ALLOWED = re.compile(r"[/\w.\- :]+")  # what MLflow takes as the key of a param


def test_a_cell_is_named_by_what_differs() -> None:
    said = ["projector=mlp2", "trainer.max_steps=4", "seed=1"]
    assert name_of(said, ["projector", "seed"], "demo") == "projector=mlp2 seed=1"
    assert name_of(said, [], "demo") == "projector=mlp2 trainer.max_steps=4 seed=1"
    assert name_of([], [], "demo") == "demo"
    assert (
        name_of(["stage@stage.after=align_v1"], ["stage@stage.after"], "demo") == "stage@stage.after=align_v1"
    )


def test_params_are_words_and_what_was_said_and_what_is_set(words: list[str]) -> None:
    said = ["stage.after.optimizer.learning_rate=0.005", "mixture.ocr.samples=7", "~mixture.count"]
    sentence = compose_sentence([*words, *said])
    params = params_of(sentence.config, words_of(sentence.choices), said)
    assert {key: params[key] for key in (*PARTS, "adapter", "stage", "mixture")} == {
        "encoder": "tiny_clip",
        "projector": "mlp2",
        "llm": "tiny_llama",
        "adapter": "none",
        "stage": "instruct_shapes",
        "mixture": "instruct_shapes_default",
    }
    assert params["stage.after.optimizer.learning_rate"] == "0.005"  # said of an earlier stage
    assert params["mixture.ocr.samples"] == "7"
    assert params["mixture.count"] == "removed"
    assert (params["seed"], params["stage.optimizer.learning_rate"]) == (1, 1e-3)


def test_params_leave_out_places_and_what_is_not_set(words: list[str]) -> None:
    sentence = compose_sentence([*words, "cell=somewhere", "parent=somebody"])
    params = params_of(sentence.config, words_of(sentence.choices), words)
    assert all(ALLOWED.fullmatch(key) for key in params)
    assert None not in params.values()
    assert {"experiment", "step", "cell", "parent", "name", "tracking", "tracking.uri"} & set(params) == set()
    left = ("paths.", "stage.after.", "evaluation.", "llm.config.")
    assert not [key for key in params if key.startswith(left) or key.endswith(("_target_", ".shards"))]
    assert len(params) < 100


def test_each_stage_has_its_own_words(compose: Compose, words: list[str]) -> None:
    sentence = compose_sentence([*words, "stage@stage.after=align_shapes"])
    planned = read_sentence(sentence.config)
    align, instruct = (stage_words(sentence.choices, stage, planned) for stage in planned.lineage())
    assert (align["stage"], align["mixture"]) == ("align", "align_shapes_default")
    assert (instruct["stage"], instruct["mixture"]) == ("instruct", "instruct_shapes_default")


def test_an_experiment_asks_a_question() -> None:
    asked = question_of({"experiment": "demo"})
    assert asked.startswith("Does a second linear layer in the connector answer more questions")
    assert "\n\nExpected: both read the pictures" in asked
    assert asked.endswith("gained from its second layer at 7B.")
    assert question_of({"experiment": "None"}) == question_of({}) == ""


def test_every_experiment_says_what_it_expects() -> None:
    for path in (config_dir() / "experiment").glob("*.yaml"):
        assert "\n\nExpected" in question_of({"experiment": path.stem}), path


def test_descriptions(words: list[str]) -> None:
    sentence = compose_sentence([*words, "mixture.ocr.weight=3", "mixture.count.samples=5"])
    planned = read_sentence(sentence.config)
    told = describe_cell(planned, words_of(sentence.choices), ["mixture.ocr.weight=3"])
    assert "`mixture.ocr.weight=3`" in told
    assert "projector **mlp2**" in told
    assert f"- instruct is trained now: `{planned.folder}`" in told
    assert planned.after
    planned.after.folder.finish({})
    assert "- align was trained before: " in describe_cell(planned, {}, [])
    align, instruct = map(describe_stage, planned.lineage())
    assert "learns: frozen: encoder, llm; full: projector" in align
    assert "starts from: the parts as they come" in align
    assert "ocr (weight 3)" in instruct
    assert "count (5 samples)" in instruct
    assert f"starts from: `{planned.after.folder}`" in instruct
    assert describe_sweep("", ["projector=linear,mlp2"]) == "`vlm train -m projector=linear,mlp2`"
    assert describe_sweep("Why?", ["seed=1,2"]) == "Why?\n\n`vlm train -m seed=1,2`"
