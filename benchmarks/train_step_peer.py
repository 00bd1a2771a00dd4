"""The peer's side of `train_step.py`: transformers' LLaVA under transformers' Trainer, as users run it."""

import json
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from train_step_shared import (
    IMAGE,
    MEAN,
    SHAPES,
    STD,
    VOCABULARY,
    Clock,
    Job,
    Shape,
    draw_weight,
    make_pictures,
    make_samples,
)
from transformers import (
    AutoConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.trainer_pt_utils import get_length_grouped_indices

IMAGE_WORD = VOCABULARY - 1


def collate(samples: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Pad to the longest, as the model's processor does."""
    ids = [sample["input_ids"] for sample in samples]
    batch = {
        "input_ids": pad_sequence(ids, batch_first=True),
        "attention_mask": pad_sequence([torch.ones_like(row) for row in ids], batch_first=True),
        "labels": pad_sequence([sample["labels"] for sample in samples], True, -100),
    }
    pixels = [sample["pixel_values"] for sample in samples if "pixel_values" in sample]
    return batch | ({"pixel_values": torch.stack(pixels)} if pixels else {})


def read_samples(job: Job, shape: Shape) -> list[dict[str, Tensor]]:
    """Return the samples in the order in which they are read; those of the warm-up stay first."""
    pictures = torch.from_numpy(make_pictures(shape)).permute(0, 3, 1, 2) / 255
    pixels = (pictures - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    samples = []
    for one in make_samples(job, shape):
        ids = np.where(one.ids == IMAGE, IMAGE_WORD, one.ids)
        sample = {"input_ids": torch.from_numpy(ids), "labels": torch.from_numpy(one.labels)}
        samples.append(sample | ({} if one.picture is None else {"pixel_values": pixels[one.picture]}))
    first = job.batch * job.warm
    if job.grouped:
        lengths = [len(sample["input_ids"]) for sample in samples[first:]]
        order = get_length_grouped_indices(lengths, job.batch, job.steps - job.warm)
        samples[first:] = [samples[first + place] for place in order]
    return samples


def build_model(job: Job, shape: Shape) -> nn.Module:
    """Return the model, what does not learn frozen and in the bits that it is computed in."""
    vision, text = (AutoConfig.for_model(**config) for config in (shape.vision_config, shape.text_config))
    config = LlavaConfig(
        vision_config=vision, text_config=text, image_token_index=IMAGE_WORD, vision_feature_layer=-2
    )
    with torch.device(job.device):
        model = LlavaForConditionalGeneration(config)
    for name, weight in model.named_parameters():
        draw_weight(name, weight)
    model.model.vision_tower.requires_grad_(False)
    if job.stage == "align":
        model.requires_grad_(False)
        model.model.multi_modal_projector.requires_grad_(True)
    if job.precision == "bf16-true":
        model.to(torch.bfloat16)
    return add_adapter(model) if job.stage == "lora" else halve_frozen(job, model)


def add_adapter(model: nn.Module) -> nn.Module:
    """Let the LLM learn by LLaVA's LoRA, and the projector in full."""
    from peft import LoraConfig, get_peft_model  # noqa: PLC0415 (its memory is no one's who does not ask)

    layers = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
    model.requires_grad_(False)
    for part in (model.model.vision_tower, model.model.language_model, model.lm_head):
        part.to(torch.bfloat16)
    config = LoraConfig(r=128, lora_alpha=256, lora_dropout=0.05, bias="none", target_modules=layers)
    adapted = get_peft_model(model, config)
    model.model.multi_modal_projector.requires_grad_(True)
    return adapted


def halve_frozen(job: Job, model: nn.Module) -> nn.Module:
    """Keep what does not learn in bf16, where that is what is computed in."""
    for weight in model.parameters():
        if job.precision.startswith("bf16") and not weight.requires_grad:
            weight.data = weight.data.to(torch.bfloat16)
    return model


class Watch(TrainerCallback):
    """Tells the clock of each step."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.losses = clock, list[Tensor]()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Note the loss: the sum of micro-batches, as each is divided by the whole step's answers."""
        self.clock.note_step(float(sum(self.losses)))
        self.losses.clear()


class Watched(Trainer):
    """The Trainer, whose losses are kept."""

    watch: Watch

    def training_step(self, *values: Any, **options: Any) -> Tensor:
        """Keep a micro-batch's loss."""
        loss = super().training_step(*values, **options)
        self.watch.losses.append(loss)
        return loss


def watch_parts(model: nn.Module, clock: Clock) -> Any:
    """Time what the table names; return the collator."""
    whole = model.get_base_model() if hasattr(model, "get_base_model") else model
    tower, llm = whole.model.vision_tower, whole.model.language_model
    tower.forward = clock.timed(tower.forward, "encoder")
    llm.forward = clock.timed(llm.forward, "LLM")
    ALL_ATTENTION_FUNCTIONS["sdpa"] = clock.timed(ALL_ATTENTION_FUNCTIONS["sdpa"], "attention", within="LLM")
    whole.lm_head.forward = clock.timed(whole.lm_head.forward, "head and loss")
    whole.loss_function = clock.timed(whole.loss_function, "head and loss")
    torch.Tensor.backward = clock.timed(torch.Tensor.backward, "backward")
    torch.optim.AdamW.step = clock.timed(torch.optim.AdamW.step, "optimizer")
    return clock.timed(collate, "data")


def settings(job: Job, folder: str) -> TrainingArguments:
    """Return the Trainer's settings."""
    on_gpu = job.device == "cuda"
    return TrainingArguments(
        folder,
        per_device_train_batch_size=job.size,
        gradient_accumulation_steps=job.batch // job.size,
        max_steps=job.steps,
        learning_rate=job.learning_rate,
        lr_scheduler_type="constant",
        max_grad_norm=0.0,
        optim="adamw_torch_fused",
        train_sampling_strategy="sequential",
        use_cpu=not on_gpu,
        bf16=job.precision.startswith("bf16"),
        gradient_checkpointing=job.checkpointing,
        gradient_checkpointing_kwargs={"use_reentrant": False},
        dataloader_pin_memory=on_gpu,
        remove_unused_columns=False,
        report_to="none",
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
    )


def run(job: Job) -> dict[str, Any]:
    """Train, and return the figures."""
    torch.set_num_threads(2)
    shape, clock = SHAPES[job.shape], Clock(job)
    samples = read_samples(job, shape)
    model = build_model(job, shape)
    collator, watch = watch_parts(model, clock), Watch(clock)
    clock.note_built(model)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Watched(
            model, settings(job, folder), collator, train_dataset=samples, callbacks=[watch]
        )  # fmt: skip
        trainer.watch = watch
        trainer.train()
    first = job.batch * job.warm
    lengths = [len(sample["input_ids"]) for sample in samples[first:]]
    computed = sum(max(lengths[at : at + job.size]) * job.size for at in range(0, len(lengths), job.size))
    return clock.result() | {"flops": 0.0, "padded": computed / len(lengths)}


if __name__ == "__main__":
    print(json.dumps(run(Job(**json.loads(sys.argv[1])))))
