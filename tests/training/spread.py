"""A stage on this process's share of the devices, with its states; both ranks of a pair do it together."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning
from torch import Tensor
from torch.distributed.tensor import DTensor
from transformers import AutoModelForCausalLM

from vlm import ranks
from vlm.build import build_model, build_task, build_trainer
from vlm.build_data import build_data
from vlm.compose import compose_sentence
from vlm.training.checkpoint import Checkpoints
from vlm.training.resume import Resumable
from vlm.training.task import Task
from vlm.training.weights import save_weights


class Losses(lightning.Callback):
    """Keeps each step's loss."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any, **__: Any) -> None:
        self.seen.append(pl_module.metrics["train/loss"])


def train(
    words: Sequence[str],
    folder: Path,
    first: int | None = None,
    num_steps: int | None = None,
    starting: Sequence[Path] = (),
) -> dict[str, Any]:
    """Train from a state, or the start, to a step; return the losses and what this process held."""
    config = compose_sentence([*words, f"devices={ranks.world_size()}"]).config
    lightning.seed_everything(1, verbose=False)
    model = build_model(config)
    data = build_data(config, model)
    task = build_task(config, model, data.num_steps, starting)
    task.first_step = data.first_step = first or 0
    losses = Losses()
    resumable = Resumable(Checkpoints(folder / "checkpoints", 9), first, config.trainer.checkpoint_every)
    trainer = build_trainer(config, task, [losses, resumable], None)
    if num_steps:
        trainer.fit_loop.epoch_loop.max_steps = num_steps - task.first_step
    trainer.fit(task, datamodule=data)
    save_weights(model, task.adapters, folder / "weights", task.strategy)
    return {"losses": losses.seen, "held": held(task)}


def held(task: Task) -> dict[str, int]:
    """Bytes of this process's share: of weights, gradients-to-be and moments."""
    optimizer: Any = task.optimizers()
    weights = [size(weight) for weight in task.model.parameters()]
    moments = [size(value) for state in optimizer.state.values() for value in state.values()]
    return {"weights": sum(weights), "moments": sum(moments)}


def size(tensor: Tensor) -> int:
    local = tensor.to_local() if isinstance(tensor, DTensor) else tensor
    return local.numel() * local.element_size()


def train_without_a_whole_llm(
    words: Sequence[str], folder: Path, starting: Sequence[Path] = ()
) -> dict[str, Any]:
    """Train where transformers must not read the LLM, which it would read whole."""

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the LLM was read whole")

    read, AutoModelForCausalLM.from_pretrained = AutoModelForCausalLM.from_pretrained, refuse
    try:
        return train(words, folder, starting=starting)
    finally:
        AutoModelForCausalLM.from_pretrained = read
