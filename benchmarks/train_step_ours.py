"""Our side of `train_step.py`: the model and Task that `vlm train` runs, under Lightning, on packed rows."""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from omegaconf import OmegaConf
from torch.utils.data import DataLoader, Dataset
from train_step_shared import MEAN, SHAPES, STD, Clock, Job, Shape, draw_weight, make_pictures, make_samples
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

import vlm.model.vision_language as joined
from vlm.adapter.lora import LoRA
from vlm.adapter.none import NoAdapter
from vlm.build import build_trainer
from vlm.config import Optimizer, Stage, Trainer
from vlm.data.batch import pack
from vlm.data.document import Document
from vlm.data.image import Picture
from vlm.data.packing import best_fit
from vlm.data.steps import Step
from vlm.data.template import TurnTemplate
from vlm.encoder.huggingface import HuggingFaceEncoder
from vlm.llm.attention import NAME as VARLEN
from vlm.llm.causal import CausalLM
from vlm.model.flops import Flops, count_flops
from vlm.model.vision_language import VisionLanguageModel
from vlm.projector.mlp import MLPProjector
from vlm.strategy.single import Single
from vlm.training.guards import Guards
from vlm.training.parts import set_learning
from vlm.training.plan import Plan
from vlm.training.record import Recorder
from vlm.training.task import Task
from vlm.values import Checkpointing, Learning, Schedule

LLM_LEARNS = {"align": Learning.frozen, "instruct": Learning.full, "lora": Learning.adapter}
NAMES = {
    "encoder.network.": "model.vision_tower.",
    "projector.layers.0.": "model.multi_modal_projector.linear_1.",
    "projector.layers.2.": "model.multi_modal_projector.linear_2.",
    "llm.network.model.": "model.language_model.",
    "llm.network.lm_head.": "lm_head.",
}
"""Beginnings of our names, and of the peer's."""


class Steps(Dataset[Step]):
    """Steps of packed rows."""

    def __init__(self, job: Job, shape: Shape) -> None:
        self.job, self.shape = job, shape
        tokens = torch.arange(shape.visual_tokens)
        pictures = [Picture(torch.from_numpy(tile[None]), tokens) for tile in make_pictures(shape)]
        self.documents = [
            Document("bench/0", one.ids, one.labels, [] if one.picture is None else [pictures[one.picture]])
            for one in make_samples(job, shape)
        ]

    def __len__(self) -> int:
        return self.job.steps

    def __getitem__(self, step: int) -> Step:
        here = self.documents[step * self.job.batch : (step + 1) * self.job.batch]
        rows = best_fit([len(document.ids) for document in here], self.job.size)
        sizes = self.shape.visual_tokens, self.shape.image_size
        return Step([pack([here[place] for place in row], *sizes) for row in rows])


def plan_model(shape: Shape) -> VisionLanguageModel:
    """Return the three parts, not yet built."""
    encoder = HuggingFaceEncoder(
        "openai/clip-vit-large-patch14-336", "random", shape.vision_config, shape.image_size, -2, False,
        MEAN, STD, "none",
    )  # fmt: skip
    template = TurnTemplate("", "USER: ", " ASSISTANT: ", "</s>")
    llm = CausalLM("tiny_llama", "random", shape.text_config, template, None, None, "none")
    return VisionLanguageModel(encoder, MLPProjector(encoder.vision_dim, llm.text_dim, encoder.grid, 2), llm)


def plan_task(job: Job, model: VisionLanguageModel) -> Task:
    """Return the stage's training."""
    adapter = LoRA(128, 256, 0.05, "all-linear", False, False) if job.stage == "lora" else NoAdapter()
    optimizer = Optimizer(job.learning_rate, warmup_fraction=0.0, schedule=Schedule.constant)
    learns = {"encoder": Learning.frozen, "projector": Learning.full, "llm": LLM_LEARNS[job.stage]}
    stage = Stage(job.stage, learns, batch_size=job.batch, optimizer=optimizer)
    trainer = Trainer(
        accelerator="gpu" if job.device == "cuda" else "cpu",
        precision=job.precision,
        tokens_per_row=job.size,
        activation_checkpointing=Checkpointing.full if job.checkpointing else Checkpointing.none,
    )
    return Task(model, adapter, Single(), Plan(stage, trainer, job.steps, 0, [], ["bench"]))


def count(task: Task, steps: Steps) -> dict[str, float]:
    """Return the floating-point operations that a measured sample takes to learn from, and its tokens."""
    with torch.device("meta"):
        model = plan_model(steps.shape)
        model.configure_model()
        set_learning(model, task.plan.stage.learns, {}, task.adapter)
        flops = count_flops(model)
    total, tokens = Flops(), 0
    for step in range(steps.job.warm, steps.job.steps):
        for row in steps[step].rows:
            total += flops.of_row(len(row.tiles), row.edges.lengths, row.num_supervised)
            tokens += len(row.ids)
    samples = steps.job.batch * (steps.job.steps - steps.job.warm)
    return {"flops": total.model / samples, "padded": tokens / samples}


class Watch(lightning.Callback):
    """Tells the clock of each step."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def on_train_batch_end(self, trainer: Any, pl_module: lightning.LightningModule, *_: Any) -> None:
        """Note the loss."""
        assert isinstance(pl_module, Task)
        self.clock.note_step(pl_module.metrics["train/loss"])


def watch_parts(model: VisionLanguageModel, clock: Clock) -> None:
    """Time what the table names."""
    Steps.__getitem__ = clock.timed(Steps.__getitem__, "data")  # type: ignore[method-assign]
    model.encoder.forward = clock.timed(model.encoder.forward, "encoder")  # type: ignore[method-assign]
    model.llm.forward = clock.timed(model.llm.forward, "LLM")  # type: ignore[method-assign]
    attention = ALL_ATTENTION_FUNCTIONS[VARLEN]
    ALL_ATTENTION_FUNCTIONS[VARLEN] = clock.timed(attention, "attention", within="LLM")
    joined.language_loss = clock.timed(joined.language_loss, "head and loss")
    torch.Tensor.backward = clock.timed(torch.Tensor.backward, "backward")  # type: ignore[method-assign]
    torch.optim.AdamW.step = clock.timed(torch.optim.AdamW.step, "optimizer")  # type: ignore[method-assign]


def run(job: Job) -> dict[str, Any]:
    """Train, and return the figures."""
    torch.set_num_threads(2)
    clock, steps = Clock(job), Steps(job, SHAPES[job.shape])
    model = plan_model(steps.shape)
    with torch.device(job.device):
        model.configure_model()
    for name, weight in model.named_parameters():
        beginning = next(ours for ours in NAMES if name.startswith(ours))
        draw_weight(NAMES[beginning] + name.removeprefix(beginning), weight)
    task = plan_task(job, model)
    task.configure_model()
    watch_parts(model, clock)
    clock.note_built(model)
    with tempfile.TemporaryDirectory() as folder:
        callbacks = [Guards(Path(folder), 10), Recorder(10), Watch(clock)]
        settings = OmegaConf.create(
            {"trainer": OmegaConf.structured(task.plan.trainer), "devices": 1, "nodes": 1}
        )
        trainer = build_trainer(settings, task, callbacks, None)
        trainer.fit(task, DataLoader(steps, batch_size=None, pin_memory=job.device == "cuda"))
    assert np.isfinite(clock.losses).all()
    figures = clock.result()
    return figures | count(task, steps)


if __name__ == "__main__":
    print(json.dumps(run(Job(**json.loads(sys.argv[1])))))
