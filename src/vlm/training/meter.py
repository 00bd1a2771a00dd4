"""How fast a run is, and how much of the hardware it uses."""

import resource
import time
from collections import deque
from statistics import median

import lightning
import torch

from vlm import ranks
from vlm.data.steps import Step
from vlm.model.flops import Flops, ModelFlops
from vlm.training.callback import TaskCallback, is_time
from vlm.training.task import Task
from vlm.values import Checkpointing

PEAK_TFLOPS = {"A100": 312.0, "A800": 312.0, "H100 PCIe": 756.0, "H100": 989.0, "H200": 989.0, "H800": 989.0,
               "L40S": 362.0, "A10G": 70.0, "RTX 4090": 165.0}  # fmt: skip
"""Dense bfloat16, in 10^12 operations a second, by a part of the device's name (makers' data sheets)."""
PACE_STEPS = 100
"""The last ones, whose median is what a step takes."""
PARTS_OF_A_STEP = ("data", "forward", "backward", "optimizer")


class Meter(TaskCallback):
    """Note tokens and pictures a second, MFU and HFU, what a step's parts take, memory and imbalance.

    MFU counts what learning takes (Chowdhery et al. 2022, arXiv:2204.02311), HFU also what activation
    checkpointing computes again.

    Args:
        flops: Of a row; None where they cannot be counted.
        every: Steps between notes, each of which is of all steps since the last.
        checkpointing: Of the blocks.
        peak_tflops: Of a device; None is what is known of it.
    """

    def __init__(
        self, flops: ModelFlops | None, every: int, checkpointing: Checkpointing, peak_tflops: float | None
    ) -> None:
        self.flops, self.every = flops, every
        self._last_steps: deque[float] = deque(maxlen=PACE_STEPS)
        self.recomputes = checkpointing is Checkpointing.full
        self.peak_tflops = peak_tflops
        self._begin()

    def _begin(self) -> None:
        self._started = self._ended = time.perf_counter()
        self._tokens = self._pictures = self._steps = 0
        self._done = Flops()

    def before_first_step(self, trainer: lightning.Trainer, task: Task) -> None:
        """Begin."""
        self.on_gpu = task.plan.device == "cuda"
        self.peak = (self.peak_tflops or (known_peak() if self.on_gpu else None) or 0.0) * 1e12
        self._begin()

    def before_step(self, task: Task, step: Step) -> None:
        """Note how long the device waited for data."""
        task.clock.add("data", time.perf_counter() - self._ended)

    def after_step(self, trainer: lightning.Trainer, task: Task, step: Step) -> None:
        """Count what the step held; note figures, if it is time."""
        self._steps += 1
        for row in step.rows:
            self._tokens += len(row.ids)
            self._pictures += row.num_pictures
            done = (
                self.flops.of_row(len(row.tiles), row.edges.lengths, row.num_supervised, self.recomputes)
                if self.flops
                else Flops()
            )
            self._done += done
            task.spent.add(row, done.model)
        self._last_steps.append(time.perf_counter() - self._ended)
        if is_time(task, self.every):
            task.metrics |= self._figures(task)
            self._begin()
        self._ended = time.perf_counter()

    def _figures(self, task: Task) -> dict[str, float]:
        """Return the figures of all devices together."""
        parts = task.clock.read()
        mine = {
            "seconds": time.perf_counter() - self._started,
            "tokens": self._tokens,
            "pictures": self._pictures,
            "model": self._done.model,
            "hardware": self._done.hardware,
            "memory": self._peak_memory(),
            **{part: parts.get(part, 0.0) for part in PARTS_OF_A_STEP},
        }
        of_all = dict(zip(mine, ranks.gathered(list(mine.values())).T, strict=True))
        seconds, model = float(of_all["seconds"].max()), of_all["model"]
        figures = {
            "throughput/tokens_per_second": float(of_all["tokens"].sum()) / seconds,
            "throughput/images_per_second": float(of_all["pictures"].sum()) / seconds,
            "throughput/seconds/step": median(self._last_steps),
            "memory/peak_gib": float(of_all["memory"].max()),
        }
        for part in PARTS_OF_A_STEP:
            figures[f"throughput/seconds/{part}"] = float(of_all[part].mean()) / self._steps
        if model.any():
            figures["throughput/tflops_per_device"] = float(model.mean()) / seconds / 1e12
            figures["throughput/rank_imbalance"] = float(model.max() / model.mean())
        if model.any() and self.peak:
            figures["throughput/mfu"] = float(model.mean()) / seconds / self.peak
            figures["throughput/hfu"] = float(of_all["hardware"].mean()) / seconds / self.peak
        return figures

    def _peak_memory(self) -> float:
        """Return the most that was held at once, in GiB: of the GPU, or of this process."""
        if self.on_gpu:
            return torch.cuda.max_memory_allocated() / 2**30
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def known_peak() -> float | None:
    """Return what the GPU can do at most, in 10^12 operations a second; None if it is not known."""
    name = torch.cuda.get_device_name()
    return next((peak for part, peak in PEAK_TFLOPS.items() if part in name), None)
