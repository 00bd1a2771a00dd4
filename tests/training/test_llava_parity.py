"""`parity=llava` has LLaVA's losses and weights at every step, its training being written down again here.

After LLaVA 1.2.2 (llava/train/train.py, llava_trainer.py, model/llava_arch.py) and its transformers, 4.37.
Only the order of samples, the prepared pictures and the frozen encoder are ours.
"""

import io
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import LambdaCallback
from PIL import Image
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from tests.conftest import Compose
from vlm.build import build_model, build_task, build_trainer
from vlm.build_data import build_data
from vlm.corpus.write import Record, write_shards
from vlm.data.steps import StepDataset
from vlm.sentence import read_sentence
from vlm.training.task import Task

IMAGE_TOKEN, IGNORE, MAX_LENGTH = -200, -100, 2048
WORD, ANSWER = "<image>", " ASSISTANT: "
SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)
STEPS, WARMUP, RATE = 10, 0.25, 5e-3
WORDS = (
    "encoder=clip224", "projector=mlp2", "llm=vicuna7b", "twin=true", "stage.after=null",
    "trainer.on_error=skip", f"trainer.max_steps={STEPS}", f"stage.optimizer.learning_rate={RATE}",
    f"stage.optimizer.warmup_fraction={WARMUP}",
)  # fmt: skip
PARITY = ("parity=llava", "stage.batching.parity.row_size=2", "stage.batching.parity.mode=padded")
GROUPED, DECAY = "stage.batching.parity.mode=grouped", "stage.optimizer.weight_decay=0.1"
PROJECTOR = "stage.optimizer.projector.learning_rate=1e-3"
INSTRUCT = (
    "stage=instruct", "mixture=shapes_questions",
    *(f"mixture.{name}.weight=0" for name in ("count", "relation", "exist", "ocr")),
    "mixture.conversation.samples=16", "mixture.attribute.samples=6",
)  # fmt: skip
ALIGN = (
    "stage=align", "mixture=shapes_captions", "mixture.caption.samples=38",
    "mixture.seen.weight=0", "mixture.text.weight=0",
)  # fmt: skip
LIKE_PARITY = ("stage.batching.mode=grouped", "trainer.samples_per_row=2", "llm.template.legacy=llava")
CONVERSATIONS = {
    "told": [["What is this?\n<image>", "Noise."], ["<image>\nTell all.", "It rained, and " * 250]],
    "seen": [
        ["<image>\nAnd this?", "The same.", "Sure?", "Yes, quite sure.", "Why?", "It looks so."],
        ["Look: <image> is small. Which color?", "Grey", "Which else?", "None " * 40],
    ],
    "text": [
        ["Quote him.", "He said: ASSISTANT: red"],  # LLaVA's count does not add up: nothing is learned
        ["Go on for ever.", "One more.", "And then?", "Then came two, " * 250],
        *([f"Say {n}.", f"{n}. " * n] * (1 + n % 3) for n in range(1, 13)),
    ],
}
Ids = tuple[Tensor, Tensor]
"""Of a sample, and its labels."""


@dataclass
class Run:
    """A training of ours: the loss of each step, and the weights that it began with."""

    task: Task
    dataset: StepDataset
    losses: list[float]
    before: dict[str, Tensor]


def train(config: Any) -> Run:
    lightning.seed_everything(config.seed, verbose=False)
    model = build_model(config)
    data, losses = build_data(config, model), []
    task = build_task(config, model, data.num_steps, [])
    task.configure_model()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    note = LambdaCallback(on_train_batch_end=lambda *_: losses.append(task.metrics["train/loss"]))
    build_trainer(config, task, [note], None).fit(task, datamodule=data)
    return Run(task, data.dataset, losses, before)


class Llava(nn.Module):
    """`mlp2x_gelu` and transformers' Llama by LLaVA's names, with the weights a run of ours began with."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        ours = run.task.model
        config = LlamaConfig.from_dict(ours.llm.config.to_dict())
        config._attn_implementation = "eager"
        self.model, width = LlamaForCausalLM(config), ours.llm.text_dim
        first, second = nn.Linear(ours.encoder.vision_dim, width), nn.Linear(width, width)
        self.mm_projector = nn.Sequential(first, nn.GELU(), second)
        self.load_state_dict({name: run.before[our_name(name)] for name in self.state_dict()})
        self.model.requires_grad_(ours.llm.head.requires_grad)
        self.tower = [ours.encoder]  # in a list, it is no submodule
        self.pad = ours.llm.tokenizer.pad_token_id

    def forward(self, samples: Sequence[Ids], pixels: Tensor) -> Tensor:
        """The collator, prepare_inputs_labels_for_multimodal, and the mean loss of a micro-batch."""
        ids = pad_sequence([ids for ids, _ in samples], True, self.pad)[:, :MAX_LENGTH]
        labels = pad_sequence([labels for _, labels in samples], True, IGNORE)[:, :MAX_LENGTH]
        features = iter(self.mm_projector(self.tower[0](pixels).detach()))
        rows = zip(ids, labels, ids.ne(self.pad), strict=True)
        spliced = [self.splice(ids[mask], labels[mask], features) for ids, labels, mask in rows]
        lengths = torch.tensor([len(labels) for _, labels in spliced]).unsqueeze(1)
        places = torch.arange(int(lengths.max())).expand(len(spliced), -1)
        return self.model(
            inputs_embeds=pad_sequence([embedded for embedded, _ in spliced], True),
            labels=pad_sequence([labels for _, labels in spliced], True, IGNORE),
            attention_mask=places < lengths,
            position_ids=places * (places < lengths),
        ).loss

    def splice(self, ids: Tensor, labels: Tensor, features: Iterator[Tensor]) -> tuple[Tensor, Tensor]:
        """Put features where the sentinels are; of a dummy's, none."""
        embed, embedded, kept = self.model.get_input_embeddings(), [], []
        edges = [-1, *torch.where(ids == IMAGE_TOKEN)[0].tolist(), len(ids)]
        if len(edges) == 2:
            return torch.cat([embed(ids), next(features)[0:0]])[:MAX_LENGTH], labels[:MAX_LENGTH]
        for start, stop in pairwise(edges):
            embedded.append(embed(ids[start + 1 : stop]))
            kept.append(labels[start + 1 : stop])
            if stop < len(ids):
                embedded.append(next(features))
                kept.append(labels.new_full((len(embedded[-1]),), IGNORE))
        return torch.cat(embedded)[:MAX_LENGTH], torch.cat(kept)[:MAX_LENGTH]


def our_name(name: str) -> str:
    return name.replace("model.", "llm.network.", 1).replace("mm_projector.", "projector.layers.")


def image_tokens(text: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """tokenizer_image_token."""
    first, *others = (tokenizer(chunk).input_ids for chunk in text.split(WORD))
    return [*first, *(token for chunk in others for token in (IMAGE_TOKEN, *chunk[1:]))]


def preprocess_plain(turns: Sequence[str], pictured: bool, tokenizer: PreTrainedTokenizerBase) -> Ids:
    assert pictured
    ids = torch.tensor(image_tokens(f"{WORD}{turns[1]}\n", tokenizer))
    return ids, ids.masked_fill(torch.arange(len(ids)) < 2, IGNORE)


def render_v1(turns: Sequence[str]) -> str:
    """preprocess_multimodal, get_prompt."""
    text = f"{SYSTEM} "
    for place, said in enumerate(turns):
        role, end = ("ASSISTANT", "</s>") if place % 2 else ("USER", " ")
        moved = f"{WORD}\n{said.replace(WORD, '').strip()}".strip() if WORD in said else said
        text += f"{role}: {moved}{end}" if moved else f"{role}:"
    return text


def preprocess_v1(turns: Sequence[str], pictured: bool, tokenizer: PreTrainedTokenizerBase) -> Ids:
    def tokens(text: str) -> list[int]:
        return image_tokens(text, tokenizer) if pictured else tokenizer(text).input_ids

    text, at = render_v1(turns), 1
    ids = torch.tensor(tokens(text)[: None if pictured else MAX_LENGTH])
    labels = ids.clone()
    labels[0] = IGNORE
    for number, spoken in enumerate(text.split("</s>")):
        parts = spoken.split(ANSWER)
        if len(parts) != 2:
            break
        slip = int(number > 0 and not getattr(tokenizer, "legacy", True))
        labels[at : at + len(tokens(parts[0] + ANSWER)) - 2 - slip] = IGNORE
        at += len(tokens(spoken)) - slip
    labels[at:] = IGNORE
    if at < MAX_LENGTH and at != int(ids.ne(tokenizer.pad_token_id).sum()):
        labels[:] = IGNORE
    return ids, labels


def micro_batches(run: Run, step: int) -> Iterator[tuple[list[Ids], Tensor]]:
    """Yield samples and their pixels, a dummy's for text."""
    model, data = run.task.model, run.dataset
    tokenizer, side = model.llm.tokenizer, model.encoder.image_size
    preprocess = preprocess_v1 if model.llm.head.requires_grad else preprocess_plain
    for places in data.rows(step):
        samples, pixels = [], []
        for source, number in data.drawn(places).tolist():
            reader = data.readers[source]
            _, files = reader.shards.read(number)
            turns = [turn["value"] for turn in json.loads(files.pop("json"))["conversations"]]
            samples.append(preprocess(turns, bool(files), tokenizer))
            tiles = [model.encoder.normalise(reader.image_transform(file).tiles) for file in files.values()]
            pixels += tiles or [torch.zeros(1, 3, side, side)]
        yield samples, torch.cat(pixels)


def settings_of(model: Llava, decay: float, projector_rate: float | None) -> dict[str, tuple[float, float]]:
    """create_optimizer: the rate and decay of each weight that learns."""
    norms = {path for path, part in model.named_modules() if isinstance(part, nn.LayerNorm | LlamaRMSNorm)}
    return {
        name: (
            projector_rate if projector_rate and "mm_projector" in name else RATE,
            0.0 if name.rpartition(".")[0] in norms or "bias" in name else decay,
        )
        for name, weight in model.named_parameters()
        if weight.requires_grad
    }


def cosine(step: int) -> float:
    """get_cosine_schedule_with_warmup."""
    warmup = math.ceil(STEPS * WARMUP)
    if step < warmup:
        return step / warmup
    return 0.5 * (1.0 + math.cos(math.pi * (step - warmup) / max(1, STEPS - warmup)))


def train_theirs(model: Llava, run: Run, settings: dict[str, tuple[float, float]]) -> list[float]:
    """Return the mean of the micro-batches' means of each step."""
    groups = [
        {"params": [model.get_parameter(name)], "peak": rate, "weight_decay": decay}
        for name, (rate, decay) in settings.items()
    ]
    optimizer, losses = torch.optim.AdamW(groups, betas=(0.9, 0.999), eps=1e-8), []
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * cosine(step)
        loss = torch.stack([model(*batch) for batch in micro_batches(run, step)]).mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


@pytest.fixture
def sources(tmp_path: Path) -> list[str]:
    """Words that add sources of odd, long and text-only conversations."""
    file = io.BytesIO()
    Image.effect_noise((90, 40), 99).convert("RGB").save(file, "PNG")
    for name, conversations in CONVERSATIONS.items():
        records = []
        for number, texts in enumerate(conversations):
            turns = [{"from": ("human", "gpt")[place % 2], "value": text} for place, text in enumerate(texts)]
            images = {"png": file.getvalue()} if WORD in "".join(texts) else {}
            records.append(Record(f"{name}-{number}", {"conversations": turns}, images))
        list(write_shards(records, tmp_path, name, 100))
    return [f"+mixture.{name}.shards={tmp_path}/{name}-*.tar" for name in CONVERSATIONS]


@pytest.mark.parametrize(
    "case",
    [(*INSTRUCT, GROUPED, DECAY), (*INSTRUCT, PROJECTOR), (*ALIGN, DECAY)],
    ids=["instruct", "instruct-projector-rate", "align"],
)
def test_losses_and_weights_are_llavas(case: tuple[str, ...], compose: Compose, sources: list[str]) -> None:
    config = compose(*WORDS, *PARITY, *sources, *case)
    run, ours = train(config), config.stage.optimizer
    theirs = Llava(run)
    settings = settings_of(theirs, ours.weight_decay, ours.projector.learning_rate)
    names = {weight: name for name, weight in run.task.model.named_parameters()}
    [adamw] = run.task.trainer.optimizers
    found = {names[w]: (g["peak"], g["weight_decay"]) for g in adamw.param_groups for w in g["params"]}
    assert found == {our_name(name): values for name, values in settings.items()}
    assert train_theirs(theirs, run, settings) == pytest.approx(run.losses, rel=1e-6)
    after = run.task.model.state_dict()
    for name, weight in theirs.state_dict().items():
        away = (after[our_name(name)] - weight).norm()
        assert away <= 1e-5 * weight.norm(), name
        assert away <= 1e-4 * (weight - run.before[our_name(name)]).norm(), name
    assert all(torch.equal(after[name], run.before[name]) for name in after if name.startswith("encoder."))
    assert run.task.num_skipped == ("stage=instruct" in case)


def test_without_parity_a_steps_loss_is_that_of_its_tokens(compose: Compose) -> None:
    """Same samples in the same rows, and another loss."""
    run = train(compose(*WORDS, *INSTRUCT, *LIKE_PARITY, "trainer.max_steps=1"))
    theirs, batches = Llava(run), list(micro_batches(run, 0))
    means = torch.stack([theirs(*batch).detach() for batch in batches])
    counts = torch.tensor([sum(int((labels != IGNORE).sum()) for _, labels in rows) for rows, _ in batches])
    assert run.losses == pytest.approx([float((means * counts).sum() / counts.sum())], rel=1e-6)
    assert run.losses != pytest.approx([float(means.mean())], rel=1e-4)


def test_parity_is_part_of_the_fingerprint(compose: Compose) -> None:
    one = read_sentence(compose(*WORDS, *INSTRUCT, *LIKE_PARITY))
    other = read_sentence(compose(*WORDS, *INSTRUCT, *LIKE_PARITY, *PARITY, GROUPED))
    assert {key for key, value in one.identity.items() if other.identity[key] != value} == {"parity"}
    assert one.folder.path != other.folder.path
