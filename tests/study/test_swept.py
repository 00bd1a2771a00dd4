"""A sweep's run, its axes, and the views of it."""

from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from mlflow import MlflowClient

from vlm.compose import compose_sentence
from vlm.study.swept import Swept, axes_of, record_sweep
from vlm.study.views import views_of


def axes(*words: str) -> list[str]:
    parsed = OverridesParser.create().parse_overrides(list(words))
    fixed = [word for word, override in zip(words, parsed, strict=True) if not override.is_sweep_override()]
    return axes_of(compose_sentence(fixed), parsed)


def test_axes_are_the_experiments_and_the_words() -> None:
    assert axes("projector=linear,mlp2", "llm=tiny_llama") == ["projector"]
    assert axes("experiment=demo") == ["projector"]
    assert axes("experiment=demo", "seed=1,2") == ["projector", "seed"]
    assert axes("experiment=demo", "projector=mlp2", "seed=1,2") == ["seed"]
    assert axes("experiment=demo", "projector=mlp2,linear") == ["projector"]
    assert axes("experiment=demo", "projector=mlp2") == []


def test_views_show_what_differs_and_what_came_out() -> None:
    config = compose_sentence(["experiment=demo"]).config
    scores, seeds, curves = views_of(config, ["stage@stage.after", "seed"], "r1")
    assert scores.tags == {"level": "cell", "sweep": "r1"}
    assert scores.params == ("stage.after", "seed")
    assert scores.metrics == ("benchmark/shapes/accuracy", "benchmark/shapes/blind", "seconds")
    assert scores.sorted_by == scores.bars[0] == "benchmark/shapes/accuracy"
    assert seeds.folded_by == seeds.params == ("stage.after",)
    assert (curves.folded_by, curves.lines) == (("stage", "stage.after", "seed"), ("train/loss",))
    assert [view.key for view in views_of(config, ["projector"], "r1")] == ["scores", "curves"]
    assert [view.key for view in views_of(config, ["seed"], "r1")] == ["scores", "curves"]


def test_views_of_what_is_not_asked() -> None:
    config = compose_sentence(["evaluation=none"]).config
    scores, _ = views_of(config, ["projector"], "r1")
    assert (scores.metrics, scores.sorted_by) == (("seconds",), None)
    controls = compose_sentence(["evaluation.controls=[]"]).config
    assert views_of(controls, ["projector"], "r1")[0].metrics == ("benchmark/shapes/accuracy", "seconds")


def test_a_sweep_is_recorded_once_and_its_views_follow_its_axes(tmp_path: Path) -> None:
    sentence = compose_sentence(["experiment=demo", f"paths.runs={tmp_path}"])
    first = record_sweep(sentence, ["experiment=demo"], ["projector"], None)
    first.write(tmp_path / "sweep")
    assert Swept.read(tmp_path / "sweep") == first
    assert Swept.read(tmp_path) is None
    again = record_sweep(sentence, ["experiment=demo", "seed=1,2"], ["projector", "seed"], first)
    assert (again.parent, again.axes, again.address) == (first.parent, ["projector", "seed"], first.address)
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    run = client.get_run(first.parent)
    assert run.data.tags["level"] == "sweep"
    assert run.data.tags["mlflow.note.content"].endswith("`vlm train -m experiment=demo`")
    experiment = client.get_experiment(run.info.experiment_id)
    assert experiment.tags["mlflow.note.content"].startswith("Does a second linear layer")
    assert "params.`seed`" in experiment.tags["mlflow.sharedViewState.scores"]


def test_nothing_is_recorded_without_a_tracker() -> None:
    sentence = compose_sentence(["experiment=demo", "tracking=none"])
    assert record_sweep(sentence, [], ["projector"], None) == Swept("", ["projector"], None)
