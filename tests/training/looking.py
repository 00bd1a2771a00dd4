"""A stage that looks at its use of pictures; both ranks of a pair do it together, or one process alone."""

from collections.abc import Sequence
from typing import Any

import lightning

from vlm import ranks
from vlm.build import build_model, build_task, build_trainer
from vlm.build_data import build_data
from vlm.compose import compose_sentence
from vlm.data.looked_at import LookedAt, choose
from vlm.training import look
from vlm.training.look import Look, Seen
from vlm.training.task import Task


class Keeping(Look):
    """Keeps what it sees."""

    def __init__(self, *settings: Any) -> None:
        super().__init__(*settings, show=lambda step, rows: self.shown.append((step, len(rows))))
        self.figures: list[dict[str, float]] = []
        self.shown: list[tuple[int, int]] = []

    def look(self, task: Task) -> Seen:
        seen = super().look(task)
        self.figures.append(seen.figures([name for name, _ in self.looked_at.places]))
        return seen


def train(words: Sequence[str], every: int, num_samples: int, chunk: int) -> dict[str, Any]:
    """Train; return what was seen each time, the tables' sizes, and the losses of training."""
    look.CHUNK = chunk
    config = compose_sentence([*words, f"devices={ranks.world_size()}"]).config
    lightning.seed_everything(1, verbose=False)
    model = build_model(config)
    data = build_data(config, model)
    task = build_task(config, model, data.num_steps, [])
    readers = dict(zip(data.dataset.names, data.dataset.readers, strict=True))
    looked_at = LookedAt(readers, choose(readers, num_samples, config.seed), config.seed)
    keeping = Keeping(looked_at, every, config.trainer.tokens_per_row)
    build_trainer(config, task, [keeping], None).fit(task, datamodule=data)
    return {"figures": keeping.figures, "shown": keeping.shown, "loss": task.metrics["train/loss"]}
