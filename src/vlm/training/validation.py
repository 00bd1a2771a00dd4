"""What a run makes of samples that it does not learn from: losses by source, and answers to look at."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import lightning
import torch
from PIL import Image

from vlm import ranks
from vlm.data.held_out import HeldOut
from vlm.data.sample import Sample, opening
from vlm.data.steps import Step
from vlm.llm.decoding import Decoding
from vlm.model.generate import Answerer
from vlm.training.callback import TaskCallback
from vlm.training.task import Task

MAX_NEW_TOKENS = 64

Show = Callable[[int, list[dict[str, Any]]], None]
"""Keeps a step's answers: a table of image, source, key, question, what was expected and what was said."""


class Validation(TaskCallback):
    """Take the loss of every source's held-out samples at intervals and at the end, and show some answers.

    Args:
        held_out: Samples, by source.
        every: Steps between; None takes them at the end only.
        num_answers: Of each source.
        show: Keeps them.
    """

    def __init__(self, held_out: HeldOut, every: int | None, num_answers: int, show: Show) -> None:
        self.held_out, self.every, self.num_answers, self.show = held_out, every, num_answers, show

    def after_step(self, trainer: lightning.Trainer, task: Task, step: Step) -> None:
        """Validate, if it is time."""
        task.validation_loss = None
        at_end = task.step == task.plan.num_steps
        if at_end or (self.every and task.step % self.every == 0):
            with unlearning(task, trainer):
                metrics = self.losses(task)
                rows = self._answers(task) if self.num_answers else []
            task.validation, task.validation_loss = metrics, metrics["validation/loss"]
            if trainer.logger:
                trainer.logger.log_metrics(metrics, step=task.step)
            if rows and not ranks.rank():
                self.show(task.step, rows)

    def losses(self, task: Task) -> dict[str, float]:
        """Return the mean over all held-out supervised tokens (nats per token), and over each source's."""
        sums, counts = {}, {}
        for name in self.held_out.readers:
            total, count = 0.0, 0
            for row in self.held_out.rows(name, ranks.rank(), ranks.world_size()):
                found = task.model(task.transfer_batch_to_device(row, task.device, 0))
                if row.supervised_weight:
                    total += float(found.sum())
                    count += row.num_supervised
            sums[name], counts[name] = ranks.gathered([total, count]).sum(0).tolist()
        losses = {f"validation/{name}/loss": sums[name] / max(1, counts[name]) for name in sums}
        return losses | {"validation/loss": sum(sums.values()) / max(1, sum(counts.values()))}

    def _answers(self, task: Task) -> list[dict[str, Any]]:
        """Return rows of a table; every device asks the same, since all must compute together."""
        rows = []
        for name, reader in self.held_out.readers.items():
            samples = self.held_out.samples(name, self.num_answers)
            if not samples:
                continue
            prompts = [opening(sample) for sample in samples]
            answerer = Answerer(task.model, reader.template, reader.image_transform, Decoding(MAX_NEW_TOKENS))
            said = answerer(prompts)
            rows += [_row(sample, text) for sample, text in zip(samples, said, strict=True)]
        return rows


def _row(sample: Sample, said: str) -> dict[str, Any]:
    picture = Image.open(io.BytesIO(sample.images[0])) if sample.images else ""
    question, expected = (turn.text for turn in sample.turns[:2])
    words = {"question": question, "expected": expected, "answer": said}
    return {"image": picture, "source": sample.source, "key": sample.key, **words}


@contextmanager
def unlearning(task: Task, trainer: lightning.Trainer) -> Iterator[None]:
    """Compute as in a step, without gradients and dropout; every module's mode is as before afterwards."""
    modes = {module: module.training for module in task.modules()}
    task.eval()
    try:
        with torch.no_grad(), trainer.precision_plugin.val_step_context():
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode
