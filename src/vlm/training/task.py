"""The LightningModule that trains: a step's loss, shared over rows and devices, and what is noted of it."""

from collections.abc import Sequence
from typing import Any

import lightning
import torch
from torch import Tensor, nn

from vlm import ranks
from vlm.adapter.base import Adapter
from vlm.data.batch import PackedBatch
from vlm.data.steps import Step
from vlm.model.vision_language import VisionLanguageModel
from vlm.strategy.base import Strategy
from vlm.training.average import Average
from vlm.training.clock import Clock
from vlm.training.optimizer import build_optimizer, drop_early, set_rates
from vlm.training.plan import Plan
from vlm.training.spent import Spent
from vlm.training.start import start_parts
from vlm.training.tally import Tally, Total


class Task(lightning.LightningModule):
    """One stage's training of a model.

    Args:
        model: Not yet built.
        adapter: Of the parts that learn by one.
        strategy: How the model is spread over devices.
        plan: What is to be done.

    Attributes:
        clock: What the parts of a step take.
        first_step: Where a resumed run goes on.
        metrics: What is noted of the last step, by name.
        by_source: Summed loss (nats) and tokens of each source, since they were last recorded.
        validation_loss: Of held-out samples at the last step, if it was taken (nats per token).
        validation: All such losses that were last taken, by metric.
        adapters: peft's models around the parts that learn by an adapter.
        spent: What the run has been given so far.
    """

    def __init__(self, model: VisionLanguageModel, adapter: Adapter, strategy: Strategy, plan: Plan) -> None:
        super().__init__()
        self.model = model
        self.adapter, self.strategy, self.plan = adapter, strategy, plan
        self.adapters: dict[str, nn.Module] = {}  # no submodules: they share the parts' weights
        self.average: Average | None = None
        self.first_step = 0
        self.num_skipped = 0  # samples that nothing could be learned from
        self.clock = Clock(plan.device)
        self.metrics: dict[str, float] = {}
        self.by_source: dict[str, tuple[float, float]] = {}
        self.validation_loss: float | None = None
        self.validation: dict[str, float] = {}
        self.spent = Spent()
        self._configured = False
        self.automatic_optimization = False  # a step may be several rows

    @property
    def step(self) -> int:
        """Steps that are done, of the whole stage."""
        return self.first_step + self.global_step

    def configure_model(self) -> None:
        """Build the parts, start them from the stage before, freeze what does not learn, spread all; once."""
        if self._configured:
            return
        self._configured = True
        self.adapters = start_parts(self.model, self.adapter, self.strategy, self.plan)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW over what learns."""
        optimizer = build_optimizer(self.model, self.plan.stage.optimizer)
        decay = self.plan.stage.optimizer.ema
        if decay is not None:
            self.average = Average((w for w in self.model.parameters() if w.requires_grad), decay)
        return optimizer

    def training_step(self, step: Step, step_index: int) -> None:
        """Learn from a step's rows, one after another.

        The loss is the sum over all devices' supervised tokens, each by its weight, divided by the sum of
        their weights; or the mean of the rows' means, as LLaVA's.
        """
        settings, number = self.plan.stage.optimizer, self.step
        # Dropout is a function of the step, so that a resumed run draws what an uninterrupted one would.
        torch.manual_seed((self.plan.seed << 32) + (ranks.rank() << 24) + number)
        optimizer: Any = self.optimizers()
        set_rates(optimizer, settings, number, self.plan.num_steps)
        self._note(self._learn(step), optimizer)
        drop_early(optimizer.optimizer, settings, number)
        with self.clock("optimizer"):
            optimizer.step()
            if self.average:
                self.average.update()
            optimizer.zero_grad()

    def _learn(self, step: Step) -> Total:
        """Gather gradients, and what the step is summed up as."""
        tally = Tally(self.plan.sources, self.device)
        # Gradients are averaged over devices, and what is wanted is their sum.
        total = self._total(step.rows) / ranks.world_size()
        for place, row in enumerate(step.rows):
            with self.clock("forward"):
                sums = self.model(row)
                weights = sums.new_tensor([part.weight for part in row.learned])
                share = (sums * weights).sum() * (self._scale(row) / total)
            with self.clock("backward"):
                if place < len(step.rows) - 1:
                    share.backward()  # copies of the model need not agree before the last
                else:
                    self.manual_backward(share)
            tally.add(row, sums.detach(), share.detach() / ranks.world_size())
        return tally.total(step.num_skipped)

    def _note(self, total: Total, optimizer: Any) -> None:
        self.metrics = {"train/loss": total.loss}
        for source, (summed, count) in total.by_source.items():
            before = self.by_source.get(source, (0.0, 0.0))
            self.by_source[source] = (before[0] + summed, before[1] + count)
        self.num_skipped += total.num_skipped
        if self.num_skipped:
            self.metrics["train/skipped"] = self.num_skipped
        self.metrics |= {f"train/learning_rate/{g['part']}": g["lr"] for g in optimizer.param_groups}

    def _scale(self, row: PackedBatch) -> float:
        """What the row's summed loss is multiplied with, before all of them are divided."""
        return 1.0 / row.supervised_weight if self.plan.by_row and row.supervised_weight else 1.0

    def _total(self, rows: Sequence[PackedBatch]) -> Tensor:
        """Return what the step's loss is divided by, on this device; rows that teach nothing do not count."""
        weights = [row.supervised_weight for row in rows]
        mine = sum(map(bool, weights)) if self.plan.by_row else sum(weights)
        total = ranks.summed(torch.tensor(mine, dtype=torch.float32, device=self.device))
        return total.clamp(min=torch.finfo(total.dtype).tiny)  # every sample of the step was left out

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Clip the gradient, if the stage says so; callbacks have seen it whole."""
        limit = self.plan.stage.optimizer.max_gradient_norm
        if limit is not None:
            learning = [weight for weight in self.model.parameters() if weight.grad is not None]
            norm = self.strategy.norm([weight.grad for weight in learning if weight.grad is not None])
            torch.nn.utils.clip_grads_with_norm_(learning, limit, norm)

    def learned_state(self) -> dict[str, Tensor]:
        """Return what learns and the running statistics, by name; the tensors are those in use."""
        kept = self.model.state_dict()
        state = {f"weights.{name}": weight.detach() for name, weight in self._learning().items()}
        state |= {f"buffers.{name}": value for name, value in self.model.named_buffers() if name in kept}
        return {self.strategy.state_name(name): tensor for name, tensor in state.items()}

    def state(self) -> dict[str, Tensor]:
        """Return what a resumed run needs: what learns, the optimizer's moments, the average.

        The tensors are those in use, so that reading into them restores them.
        """
        optimizer: Any = self.optimizers()
        learned = self._learning()
        state: dict[str, Tensor] = {}
        for name, weight in learned.items():
            moments = optimizer.state[weight] or _start(optimizer.state[weight], weight)
            state |= {f"optimizer.{name}.{key}": value for key, value in moments.items()}
        if self.average:
            values = zip(learned, self.average.values, strict=True)
            state |= {f"average.{name}": value for name, value in values}
        return self.learned_state() | {self.strategy.state_name(name): value for name, value in state.items()}

    def _learning(self) -> dict[str, nn.Parameter]:
        return {name: weight for name, weight in self.model.named_parameters() if weight.requires_grad}


def _start(moments: dict[str, Tensor], weight: Tensor) -> dict[str, Tensor]:
    """Give a weight the state that AdamW would begin with."""
    moments["step"] = torch.zeros((), device=weight.device)
    moments["exp_avg"] = torch.zeros_like(weight)
    moments["exp_avg_sq"] = torch.zeros_like(weight)
    return moments
