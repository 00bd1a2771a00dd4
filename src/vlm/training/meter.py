"""How fast a run is, and how much of the hardware it uses."""

import resource
import time
from typing import Any

import lightning
import torch

from vlm import ranks
from vlm.data.steps import Step
from vlm.model.flops import Flops, ModelFlops
from vlm.training.record import is_time
from vlm.training.task import Task
from vlm.values import Checkpointing

PEAK_TFLOPS = {"A100": 312.0, "A800": 312.0, "H100 PCIe": 756.0, "H100": 989.0, "H200": 989.0, "H800": 989.0,
               "L40S": 362.0, "A10G": 70.0, "RTX 4090": 165.0}  # fmt: skip
"""Dense bfloat16, in 10^12 operations a second, by a part of the device's name (makers' data sheets)."""
PARTS_OF_A_STEP = ("data", "forward", "backward", "optimizer")


class Meter(lightning.Callback):
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
        self.recomputes = checkpointing is Checkpointing.full
        self.peak_tflops = peak_tflops
        self._begin()

    def _begin(self) -> None:
        self._started = self._ended = time.perf_counter()
        self._tokens = self._pictures = self._steps = 0
        self._done = Flops()

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Begin."""
        assert isinstance(pl_module, Task)
        self.on_gpu = pl_module.plan.device == "cuda"
        self.peak = (self.peak_tflops or (known_peak() if self.on_gpu else None) or 0.0) * 1e12
        self._begin()

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, batch: Step, batch_idx: int
    ) -> None:
        """Note how long the device waited for data."""
        assert isinstance(pl_module, Task)
        pl_module.clock.add("data", time.perf_counter() - self._ended)

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Step,
        batch_idx: int,
    ) -> None:
        """Count what the step held; note figures, if it is time."""
        assert isinstance(pl_module, Task)
        self._steps += 1
        for row in batch.rows:
            self._tokens += len(row.ids)
            self._pictures += row.num_pictures
            if self.flops:
                self._done += self.flops.of_row(
                    len(row.tiles), row.lengths, row.num_supervised, self.recomputes
                )
        if is_time(pl_module, self.every):
            pl_module.metrics |= self._figures(pl_module)
            self._begin()
        self._ended = time.perf_counter()

    def _figures(self, task: Task) -> dict[str, float]:
        """Return the figures of all devices together."""
        parts = task.clock.read()
        mine = [
            time.perf_counter() - self._started, self._tokens, self._pictures, self._done.model,
            self._done.hardware, self._peak_memory(), *(parts.get(part, 0.0) for part in PARTS_OF_A_STEP),
        ]  # fmt: skip
        rows = ranks.gathered(mine)
        seconds, memory = float(rows[:, 0].max()), float(rows[:, 5].max())
        tokens, pictures, model, hardware = rows[:, 1:5].sum(0).tolist()
        figures = {
            "throughput/tokens_per_second": tokens / seconds,
            "throughput/images_per_second": pictures / seconds,
            "memory/peak_gib": memory,
        }
        for place, part in enumerate(PARTS_OF_A_STEP):
            figures[f"throughput/seconds/{part}"] = float(rows[:, 6 + place].mean()) / self._steps
        if model:
            figures["throughput/tflops_per_device"] = model / seconds / len(rows) / 1e12
            figures["throughput/rank_imbalance"] = float(rows[:, 3].max() / rows[:, 3].mean())
        if model and self.peak:
            figures["throughput/mfu"] = model / seconds / len(rows) / self.peak
            figures["throughput/hfu"] = hardware / seconds / len(rows) / self.peak
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
