"""Parts without gradient stop the run; norms and ratios are noted."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from tests.training.spread import Losses
from vlm.build import build_model, build_task, build_trainer
from vlm.build_data import build_data
from vlm.cli import main
from vlm.model.vision_language import VisionLanguageModel
from vlm.training.guards import Guards, update_ratios
from vlm.training.task import Task

Train = Callable[..., int]


@pytest.fixture
def train(words: list[str]) -> Train:
    return lambda *overrides: main(["train", *words, "evaluation=none", "stage.after=null", *overrides])


def test_a_part_that_no_gradient_reaches_stops_the_run_at_once(
    train: Train, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    embed = VisionLanguageModel.embed

    def cut(self: VisionLanguageModel, *inputs: Tensor) -> Tensor:
        return embed(self, *inputs).detach()

    monkeypatch.setattr(VisionLanguageModel, "embed", cut)
    assert train() != 0
    message = capsys.readouterr().err.strip()
    assert "stage.learns.projector=full, but no gradient reaches it at step 0; freeze it" in message
    assert len(message.splitlines()) == 1


def test_pictures_are_waited_for(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    """A first step of text alone proves nothing of the projector."""
    seen: list[set[str]] = []
    prove = Guards._prove

    def blind(self: Guards, task: Task, step: object, norms: dict[str, float]) -> None:
        if not seen:
            for row in step.rows:
                row.tiles = row.tiles[:0]
            norms = norms | {"projector": 0.0}
        prove(self, task, step, norms)
        seen.append(set(self._proven))

    monkeypatch.setattr(Guards, "_prove", blind)
    assert train() == 0
    assert seen[0] == {"llm"}
    assert seen[1] == {"llm", "projector"}


def test_a_part_that_begins_later_is_left_alone_until_then(train: Train) -> None:
    assert train("stage.optimizer.projector.first_step=2") == 0


def test_the_update_ratio_is_that_of_the_weights(compose: Callable[..., object]) -> None:
    """Against what the weights were before the step."""
    config = compose("stage.after=null", "twin=true", "stage.optimizer.weight_decay=0.1")
    model = build_model(config)
    data = build_data(config, model)
    task = build_task(config, model, data.num_steps, [])
    task.configure_model()
    before: dict[str, Tensor] = {}

    class Watch(Losses):
        def on_train_batch_start(self, *_: object) -> None:
            before.update({name: weight.detach().clone() for name, weight in model.named_parameters()})

        def on_train_batch_end(self, *_: object, **__: object) -> None:
            if task.step < 3:  # the first step's rate is zero
                return
            for part in ("projector", "llm"):
                now = {n: w for n, w in model.named_parameters() if n.startswith(part)}
                moved = torch.stack([(w - before[n]).norm() for n, w in now.items()]).norm()
                size = torch.stack([w.norm() for w in now.values()]).norm()
                found = update_ratios(task)[f"train/update_ratio/{part}"]
                assert found == pytest.approx(float(moved / size), rel=1e-2)
                self.seen.append(found)

    watch = Watch()
    build_trainer(config, task, [watch], None).fit(task, datamodule=data)
    assert len(watch.seen) == 4
