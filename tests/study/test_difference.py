"""Two runs differ in what they were told to, part where they do, and for that reason."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vlm.cli import main
from vlm.compose import compose_sentence
from vlm.run.trace import append_line
from vlm.sentence import read_sentence
from vlm.study.difference.between import Difference, compare_runs
from vlm.study.difference.cause import likely_cause
from vlm.study.difference.describe import as_json, describe
from vlm.study.difference.leaves import compare_configs
from vlm.study.difference.partings import Kind

LORA = ("adapter=lora64", "adapter.dropout=0.0", "stage.learns.llm=adapter")
ALONE = ("stage.after=null", "twin=true")

Train = Callable[..., Path]


@pytest.fixture(scope="module")
def train(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Train:
    """Train a small sentence into a folder of runs, once; return the folder of its last stage."""
    home = tmp_path_factory.mktemp("difference")
    cache: dict[tuple[str, ...], Path] = {}

    def run(*more: str, runs: str = "runs") -> Path:
        words = [
            f"paths.data={data_folder}", f"paths.runs={home}/{runs}", f"paths.cache={home}/cache",
            "tracking=none", "evaluation=none", "stage.batch_size=4", "trainer.max_steps=3",
            "trainer.num_threads=1", *more,
        ]  # fmt: skip
        if (runs, *more) not in cache:
            assert main(["train", *words]) == 0
            cache[runs, *more] = read_sentence(compose_sentence(words).config).folder.path
        return cache[runs, *more]

    return run


@pytest.fixture
def copy(tmp_path: Path) -> Callable[[Path, str], Path]:
    """Copy a run, so that it can be changed."""

    def copied(run: Path, name: str) -> Path:
        return Path(shutil.copytree(run, tmp_path / name / run.name))

    return copied


def rewrite(run: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the lines of a run's trace."""
    lines = [json.loads(line) for line in (run / "trace.jsonl").read_text().splitlines()]
    (run / "trace.jsonl").unlink()
    for line in lines:
        change(line)
        append_line(run / "trace.jsonl", line)


def kinds(difference: Difference) -> list[Kind]:
    return [parting.kind for parting in difference.stages[-1].partings]


def test_a_run_that_is_repeated_is_the_same(train: Train) -> None:
    difference = compare_runs(train(*ALONE), train(*ALONE, runs="again"))
    assert difference.is_alike
    assert not difference.stages[0].partings
    assert likely_cause(difference) == (
        "none: nothing that could change weights differs (instruct: 3 recorded steps are the same to the bit)"
    )
    leaves = {leaf.key: leaf.enters for leaf in difference.stages[0].leaves}
    assert leaves == {"paths.runs": False}
    text = "\n".join(describe(difference))
    assert "config that enters the fingerprint: the same" in text
    assert "instruct  the same to the bit in 3 recorded steps, to step 3" in text
    assert "instruct  what was learned is the same to the bit" in text


@pytest.mark.parametrize(
    ("first", "second", "cause", "kind"),
    [
        ((), ("seed=2",), "init differs (encoder, projector, llm): seed 1 against 2", Kind.init),
        (
            (),
            ("stage.optimizer.learning_rate=2e-3",),
            "learning rates part at step 2 by 0.001 (projector): "
            "stage.optimizer.learning_rate 0.001 against 0.002",
            Kind.rates,
        ),
        (
            (),
            ("mixture.ocr.weight=0.5",),
            "batches part at step 1: mixture.ocr.weight 1.0 against 0.5",
            Kind.batches,
        ),
        (
            (*LORA, "adapter.rank=2"),
            (*LORA, "adapter.rank=4"),
            "init differs (llm): adapter.rank 2 against 4",
            Kind.init,
        ),
        ((), ("projector=linear",), "init differs (projector, llm): projector.depth 2 against 1", Kind.init),
        (
            (),
            ("mixture.ocr.loss_weight=0.5",),
            "same until step 1, losses part at step 2 by 0.0034: mixture.ocr.loss_weight 1.0 against 0.5",
            Kind.losses,
        ),
        ((), ("llm.template.system=Look.",), "same batches and init, losses part at step 1 by", Kind.losses),
        (
            (),
            ("stage.optimizer.weight_decay=0.1",),  # the first rate is 0
            "same until step 2, losses part at step 3 by",
            Kind.losses,
        ),
        (
            (),
            ("stage.optimizer.ema=0.9",),
            "the same in all 3 recorded steps, but what was learned differs (projector, llm): "
            "stage.optimizer.ema null against 0.9",
            Kind.weights,
        ),
        ((), ("~mixture.count",), "batches part at step 1: mixture.count", Kind.batches),
    ],
)
def test_the_cause_is_what_was_changed(
    first: tuple[str, ...], second: tuple[str, ...], cause: str, kind: Kind, train: Train
) -> None:
    difference = compare_runs(train(*ALONE, *first), train(*ALONE, *second))
    assert likely_cause(difference).startswith(cause)
    assert kinds(difference)[0] is kind
    assert not difference.is_alike
    [changed] = [word for word in second if word not in first]
    key = changed.lstrip("~").partition("=")[0]
    assert any(leaf.key.startswith(key) for leaf in difference.stages[0].entering)
    assert likely_cause(difference) in describe(difference)[-1]


def test_stages_before_are_compared_first(train: Train) -> None:
    one, two = train("twin=true"), train("twin=true", "stage.after.optimizer.learning_rate=4e-3")
    difference = compare_runs(one, two)
    assert [stage.name for stage in difference.stages] == ["align", "instruct"]
    assert likely_cause(difference) == (
        "align: learning rates part at step 2 by 0.002 (projector): "
        "stage.optimizer.learning_rate 0.002 against 0.004"
    )
    assert kinds(difference)[0] is Kind.init
    assert not difference.stages[-1].entering
    both = compare_runs(one, train("twin=true", "stage.optimizer.learning_rate=2e-3"))
    assert both.stages[0].is_alike
    assert "  align     the same run" in describe(both)
    assert likely_cause(both).startswith("instruct: learning rates part at step 2")
    alone = compare_runs(one, train(*ALONE))
    assert likely_cause(alone) == "align: only FIRST has this stage; SECOND begins without it"
    assert [stage.second is None for stage in alone.stages] == [True, False]


def test_what_all_stages_share_is_said_once(train: Train, tmp_path: Path) -> None:
    one = train("twin=true")
    other = shutil.copytree(one.parent, tmp_path / "runs") / one.name
    for config in (tmp_path / "runs").glob("*/config.yaml"):
        config.write_text(config.read_text().replace("devices: 1", "devices: 2"))
    difference = compare_runs(one, other)
    assert difference.is_alike
    lines = describe(difference)
    where = lines.index("config that does not")
    assert lines[where + 1].split() == ["every", "stage", "devices", "1", "2"]
    assert not any("devices" in line for line in lines[where + 2 :])


def test_sums_in_another_order_are_arithmetic(train: Train, copy: Callable[[Path, str], Path]) -> None:
    run = train(*ALONE)
    one, other = copy(run, "one"), copy(run, "other")

    def elsewhere(line: dict[str, Any]) -> None:
        if "machine" in line:
            line["machine"]["device"] = "NVIDIA H100"
            line["provenance"]["torch"] = "9.9"
        else:
            line["loss"] += 3e-8

    rewrite(other, elsewhere)
    difference = compare_runs(one, other)
    assert likely_cause(difference).startswith(
        "same batches and init, losses part at step 1 by 3e-08: arithmetic (device CPU against NVIDIA H100"
    )
    assert not difference.is_alike
    for folder in (one, other):  # to the bit again, though elsewhere
        rewrite(folder, lambda line: line.update(loss=round(line["loss"], 4)) if "loss" in line else None)
    difference = compare_runs(one, other)
    assert difference.is_alike
    assert difference.stages[0].environment["device"] == (["CPU"], ["NVIDIA H100"])


def test_a_resumed_run_parts_where_it_was_resumed(train: Train, copy: Callable[[Path, str], Path]) -> None:
    run = train(*ALONE)
    other = copy(run, "other")
    lines = [json.loads(line) for line in (other / "trace.jsonl").read_text().splitlines()]
    start = json.loads(json.dumps(lines[0])) | {"step": 2}
    start["machine"]["devices"] = 4
    lines[3]["loss"] += 1e-6
    (other / "trace.jsonl").unlink()
    for line in (*lines[:3], start, lines[3]):
        append_line(other / "trace.jsonl", line)
    difference = compare_runs(other, run)
    assert likely_cause(difference).startswith(
        "same until step 2, where FIRST was resumed with another number of devices (1, then 4); "
        "losses part at step 3 by 1e-06"
    )


def test_runs_without_a_trace_are_compared_by_the_rest(
    train: Train, copy: Callable[[Path, str], Path]
) -> None:
    run = train(*ALONE)
    older, other = copy(run, "older"), copy(train(*ALONE, "seed=2"), "other")
    for folder in (older, other):
        (folder / "trace.jsonl").unlink()
    difference = compare_runs(run, older)
    assert difference.is_alike  # what was learned is the same
    assert "  instruct  SECOND has no trace: it was trained before there were any" in describe(difference)
    difference = compare_runs(older, other)
    assert not difference.is_alike
    assert likely_cause(difference) == (
        "FIRST and SECOND without a trace to tell where they part; what differs: seed 1 against 2"
    )


def test_a_run_that_is_not_finished_is_compared_as_far_as_it_went(
    train: Train, copy: Callable[[Path, str], Path]
) -> None:
    run = train(*ALONE)
    other = copy(run, "other")
    (other / "manifest.json").unlink()
    (other / "trace.jsonl").write_text("".join((other / "trace.jsonl").open().readlines()[:3]))
    difference = compare_runs(run, other)
    assert difference.is_alike
    assert difference.stages[0].steps == [1, 2]
    assert "  instruct  SECOND is not finished" in describe(difference)
    (other / "trace.jsonl").unlink()
    with pytest.raises(ValueError, match="is not finished and has no trace yet"):
        compare_runs(run, other)


def test_other_data_under_the_same_name_is_seen(train: Train, copy: Callable[[Path, str], Path]) -> None:
    run = train(*ALONE)
    other = copy(run, "other")
    manifest = json.loads((other / "manifest.json").read_text())
    manifest["identity"]["mixture"]["ocr"]["content"] = "0" * 64
    (other / "manifest.json").write_text(json.dumps(manifest))

    def fewer(line: dict[str, Any]) -> None:
        if "sources" in line:
            line["sources"]["ocr"]["samples"] -= 3
        else:
            line["batch"] = line["batch"][::-1]

    rewrite(other, fewer)
    difference = compare_runs(run, other)
    assert likely_cause(difference) == "batches part at step 1: data of ocr (other content)"
    [ocr] = [source for source in difference.stages[0].sources if source.changed]
    assert ocr.name == "ocr"
    assert ocr.samples[0] - ocr.samples[1] == 3  # type: ignore[operator]
    text = "\n".join(describe(difference))
    assert "ocr: content" in text
    assert "ocr: samples" in text


def test_scores_are_set_side_by_side(train: Train, copy: Callable[[Path, str], Path]) -> None:
    run = train(*ALONE)
    one, two = copy(run, "one"), copy(run, "two")
    for folder, stem, accuracy in ((one, "a", 0.5), (two, "a", 0.625), (one, "b", 0.25), (two, "c", 0.5)):
        name = "shapes" if stem == "a" else "pope"
        score = {"headline": "accuracy", "metrics": {"accuracy": accuracy}}
        (folder / "evaluations").mkdir(exist_ok=True)
        (folder / f"evaluations/{name}-{stem}.json").write_text(json.dumps({"name": name, "score": score}))
    (two / "evaluations/shapes-d.json").write_text(
        json.dumps({"scores": {"accuracy": 1.0}})
    )  # an earlier form
    difference = compare_runs(one, two)
    assert [(score.benchmark, score.asked_alike) for score in difference.scores] == [
        ("pope", False),
        ("shapes", True),
    ]
    lines = [line.split() for line in describe(difference)]
    assert ["shapes", "accuracy", "0.5", "0.625", "+0.125"] in lines
    assert json.loads(json.dumps(as_json(difference)))["scores"][1]["metrics"]["accuracy"] == [0.5, 0.625]


@pytest.mark.parametrize(
    ("keys", "identities", "enters"),
    [
        ({"trainer": {"tokens_per_row": 1}}, {"stage": {"batching": {"window": 1}}}, False),
        ({"trainer": {"tokens_per_row": 1}}, {"stage": {"batching": {"tokens_per_row": 1}}}, True),
        ({"stage": {"image": {"grids": [1]}}}, {"stage": {"image": "crop"}}, False),
        ({"stage": {"image": {"mode": 1}}}, {"stage": {"image": 1}}, True),
        ({"adapter": {"rank": 1}}, {"adapter": None}, False),
        ({"encoder": {"checkpoint": 1}}, {"parts": {"encoder": {"content": 1}}}, True),
        ({"encoder": {"licence": 1}}, {"parts": {"encoder": {"layer": -2}}}, False),
        ({"mixture": {"ocr": {"shards": 1}}}, {"mixture": {"ocr": {"content": 1}}}, True),
        ({"devices": 1}, {"seed": 1}, False),
        ({}, {"numerics": 1}, True),
    ],
)
def test_a_value_enters_if_the_identities_differ_by_it(
    keys: dict[str, Any], identities: dict[str, Any], enters: bool
) -> None:
    """Each is held against itself with every 1 a 2."""
    other, others = (json.loads(json.dumps(node).replace("1", "2")) for node in (keys, identities))
    if not enters:
        others = identities
    [leaf] = compare_configs(keys, other, (identities, others))
    assert leaf.enters is enters
