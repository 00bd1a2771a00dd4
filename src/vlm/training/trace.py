"""The trace of a training: where it began, and what each recorded step was, to the bit.

Two runs' traces say at which step they part, and in what: `vlm diff`.
"""

import math
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

from vlm import ranks
from vlm.config import PARTS
from vlm.data.steps import BLANK, Step
from vlm.run.trace import MACHINE, append_line, cut_after
from vlm.strategy.base import Sharded, Strategy
from vlm.tracking.provenance import provenance
from vlm.training.callback import TaskCallback, is_time
from vlm.training.task import Task

FIRST_STEPS = 10
"""Recorded whatever the interval: what differs between two runs mostly does so from the start."""
PIECE = 2**20  # values that are looked at together
MULTIPLIER = 6364136223846793005  # of Knuth's generator
BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
"""What the bits of a value are read as, by its bytes."""


class Trace(TaskCallback):
    """Add a line when training begins or goes on, and one for each recorded step; the first process writes.

    A step's line has its `loss`, which JSON keeps to the bit; `losses`, each source's since the line before
    (nats per token); `gradient_norm` of each part, where the guards took it; `learning_rate` of each part;
    and `batch`, a hash of the samples that all devices read. A start's line has the machine, the versions
    and, at step 0, hash and norm of each part's weights.

    Args:
        path: Of the file.
        every: Steps between lines after the first ten; the same as the Recorder's, which comes after this
            and begins the sources' sums again.
        about: What else a start's line says of the run.
    """

    def __init__(self, path: Path, every: int, about: Mapping[str, Any]) -> None:
        self.path, self.every, self.about = path, every, about
        self._noted: dict[str, tuple[float, float]] = {}

    def before_first_step(self, trainer: lightning.Trainer, task: Task) -> None:
        """Forget the lines of steps that are done again, and say where and on what the run starts."""
        start: dict[str, Any] = {"step": task.step, **self.about, MACHINE: describe_machine(task.plan.device)}
        if not task.step:
            start["weights"] = describe_weights(task)
        if not ranks.rank():
            cut_after(self.path, task.step)
            append_line(self.path, start | {"provenance": provenance()})

    def after_step(self, trainer: lightning.Trainer, task: Task, step: Step) -> None:
        """Add a line, if it is time."""
        if task.step > FIRST_STEPS and not is_time(task, self.every):
            return
        line = {
            "step": task.step,
            "loss": task.metrics["train/loss"],
            "losses": self._losses(task),
            "gradient_norm": _of_parts(task.metrics, "gradient_norm"),
            "learning_rate": _of_parts(task.metrics, "learning_rate"),
            "batch": batch_hash(step),
        }
        if not ranks.rank():
            append_line(self.path, line)

    def _losses(self, task: Task) -> dict[str, float]:
        """Return each source's mean since the line before."""
        losses = {}
        for source, (summed, count) in task.by_source.items():
            noted, counted = self._noted.get(source, (0.0, 0.0))
            if count > counted:
                losses[source] = (summed - noted) / (count - counted)
        self._noted = {} if is_time(task, self.every) else dict(task.by_source)
        return losses


def _of_parts(metrics: Mapping[str, float], kind: str) -> dict[str, float]:
    prefix = f"train/{kind}/"
    return {name.removeprefix(prefix): value for name, value in metrics.items() if name.startswith(prefix)}


def batch_hash(step: Step) -> str:
    """Return 128 bits that tell which samples a step has; every device of a group must ask.

    They are sums over the samples' keys, so neither the number of devices nor how rows are laid changes them:
    a step's order says only in which row a sample lies.
    """
    keys = [key for row in step.rows for key in row.keys if key != BLANK.key]
    digests = b"".join(blake2b(key.encode(), digest_size=16).digest() for key in keys)
    mine = np.frombuffer(digests, dtype="<u4").reshape(-1, 4).sum(0, dtype=np.uint64) % 2**32
    total = ranks.gathered(mine.tolist()).sum(0).tolist()
    return "".join(f"{int(lane) % 2**32:08x}" for lane in total)


def describe_machine(device: str) -> dict[str, Any]:
    """Return what arithmetic depends on besides versions.

    Args:
        device: `cpu` or `cuda`.
    """
    described = {
        "devices": ranks.world_size(),
        "device": torch.cuda.get_device_name() if device == "cuda" else "CPU",
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
    }
    return described | ({"cuda": torch.version.cuda} if device == "cuda" else {})


def describe_weights(task: Task) -> dict[str, dict[str, Any]]:
    """Return hash and 2-norm of each part's weights, learning or not; every device of a group must ask.

    Each is a sum over values that are mixed first, whichever device holds them, so the hash does not depend
    on the number of devices to the bit, and the norm but for the order of a sum of 64-bit numbers. Neither
    sees two values change places.
    """
    mine: list[int | float] = []
    for part in PARTS:
        total, squares = 0, 0.0
        for weight in task.model.get_submodule(part).parameters():
            if _counts_here(weight, task.strategy):
                mixed, squared = sums_of(weight.to_local() if isinstance(weight, DTensor) else weight)
                total, squares = total + mixed, squares + squared
        mine += [total % 2**32, (total >> 32) % 2**32, squares]  # 64-bit floats hold no more
    of_all = ranks.gathered(mine).sum(0).reshape(-1, 3).tolist()
    return {
        part: {"hash": f"{(int(low) + (int(high) << 32)) % 2**64:016x}", "norm": math.sqrt(squares)}
        for part, (low, high, squares) in zip(PARTS, of_all, strict=True)
    }


def _counts_here(weight: Tensor, strategy: Strategy) -> bool:
    """Whether what this device holds of a weight counts, or is a copy of what another holds."""
    if isinstance(weight, DTensor):
        place = weight.device_mesh.get_coordinate()
        assert place is not None
        axes = zip(weight.placements, place, strict=True)
        return all(not placement.is_replicate() or number == 0 for placement, number in axes)
    if isinstance(strategy, Sharded):  # flattened shares, copied across machines if it is hybrid
        return not strategy.hybrid or ranks.rank() < ranks.machine_size()
    return ranks.rank() == 0


@torch.no_grad()
def sums_of(tensor: Tensor) -> tuple[int, float]:
    """Return the sum of all values' mixed bits, modulo 2^64, and that of their squares."""
    flat = tensor.detach().contiguous().flatten()
    mixed = torch.zeros((), dtype=torch.int64, device=flat.device)
    squares = torch.zeros((), dtype=torch.float64, device=flat.device)
    for piece in torch.split(flat, PIECE):
        bits = piece.view(BITS[piece.element_size()]).to(torch.int64)
        bits = bits * MULTIPLIER + MULTIPLIER  # so that zeros count, too
        bits = (bits ^ (bits >> 29)) * MULTIPLIER
        mixed += (bits ^ (bits >> 32)).sum()
        if piece.is_floating_point():
            squares += piece.to(torch.float64).square().sum()
    return int(mixed) % 2**64, float(squares)
