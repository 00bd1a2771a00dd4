"""A twin that trains on given documents; both ranks of a pair do it together, or one process alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.utils.data import DataLoader

from vlm import ranks
from vlm.build import build_model, build_task, build_trainer
from vlm.compose import compose_sentence
from vlm.data.batch import pack
from vlm.data.document import Document
from vlm.data.image import Picture
from vlm.data.steps import BLANK, Step
from vlm.data.tokens import IGNORE_ID, IMAGE_ID
from vlm.model.vision_language import VisionLanguageModel
from vlm.training.task import Task

WORDS = ("twin=true", "stage.after=null", "tracking=none", "stage.optimizer.warmup_fraction=0")
WEIGHTS = {"captions": 1.0, "answers": 0.25}


@dataclass(frozen=True)
class Draw:
    """A document: tokens of text, of which the last are learned, after its pictures."""

    source: str
    num_pictures: int
    num_tokens: int
    num_learned: int


def make(draw: Draw, model: VisionLanguageModel, seed: int) -> Document:
    """Return a document of random words and pixels."""
    random = np.random.default_rng(seed)
    visual, side = model.projector.num_tokens, model.encoder.image_size
    words = random.integers(3, 500, draw.num_tokens)
    ids = np.concatenate([np.full(draw.num_pictures * visual, IMAGE_ID), words])
    labels = np.full(len(ids), IGNORE_ID)
    labels[-draw.num_learned :] = ids[-draw.num_learned :]
    tiles = [
        torch.from_numpy(random.integers(0, 256, (1, side, side, 3), np.uint8))
        for _ in range(draw.num_pictures)
    ]
    pictures = [Picture(tile, torch.arange(visual)) for tile in tiles]
    return Document(f"{draw.source}/{seed}", ids, labels, pictures, WEIGHTS[draw.source])


class Gradients(lightning.Callback):
    """Keeps each step's loss and whole gradients."""

    def __init__(self) -> None:
        self.seen: list[tuple[float, dict[str, Tensor]]] = []

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        gradients = {
            name: (weight.grad.full_tensor() if isinstance(weight.grad, DTensor) else weight.grad).clone()
            for name, weight in pl_module.model.named_parameters()
            if weight.grad is not None
        }
        self.seen.append((pl_module.metrics["train/loss"], gradients))


def build(words: Sequence[str], num_steps: int) -> tuple[Any, Task]:
    """Return a composed sentence on all ranks, and its task."""
    config = compose_sentence([*WORDS, f"devices={ranks.world_size()}", *words]).config
    lightning.seed_everything(1, verbose=False)
    return config, build_task(config, build_model(config), num_steps, [])


def law(words: Sequence[str], examples: Sequence[Sequence[Draw]], accumulation: int, padded: bool) -> Any:
    """Return loss and gradients of each example, a step of `accumulation` rows on each rank."""
    config, task = build([*words, "stage.optimizer.learning_rate=1e-30"], len(examples))
    task.configure_model()
    steps = []
    for number, draws in enumerate(examples):
        documents = [make(draw, task.model, 1000 * number + place) for place, draw in enumerate(draws)]
        num_rows = ranks.world_size() * accumulation
        dealt = [documents[row::num_rows] or [BLANK] for row in range(num_rows)]
        sizes = task.model.projector.num_tokens, task.model.encoder.image_size, 0 if padded else None
        rows = [pack(row, *sizes) for row in dealt]
        steps.append(Step(rows[ranks.rank() :: ranks.world_size()]))
    gradients = Gradients()
    trainer = build_trainer(config, task, [gradients], None)
    trainer.fit(task, DataLoader(steps, batch_size=None))
    return gradients.seen
