"""Train the tiny LLM to read written scenes and to answer questions about them.

Half the documents write the scene word by word. The other half put one vector for each place, the
mean of its phrase's word embeddings (with a little noise), where the words would stand: a visual
token is one vector too, so an LLM that has only ever read one word at a time cannot read it.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import torch
from corpus import LATER_RESTATE_RATE, RESTATE_RATE, conversation, documents, written_scene
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import LambdaLR
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase

from vlm.corpus.shapes.language import KINDS, written_places
from vlm.corpus.shapes.scene import Scene, draw_scene
from vlm.data.template import TurnTemplate
from vlm.data.tokens import IGNORE_ID, IMAGE_ID, Span, tokenize

POOLED_RATE = 0.5  # share of documents that show a place as one vector
POOLED_NOISE = 0.3  # of the vector's own root mean square
UNSUPERVISED_WEIGHT = 0.02  # of a token that is not part of an answer or caption
LOG_EVERY = 500  # steps
INPUT_STD, OUTPUT_STD = 0.3, 0.1  # of the embeddings when training starts
WARMUP_STEPS = 100
DECAY_SHARE = 0.4  # of all steps
RESTATE_SHARE = 0.45  # of all steps, until looking up is learned
LONGEST_PHRASE = 8  # tokens


@dataclass
class Document:
    """A row of the batch; `phrases[i]` are the word ids behind the i-th pooled position."""

    ids: list[int]
    labels: list[int]
    phrases: list[list[int]]


def write_document(
    scene: Scene, spans: list[Span], tokenizer: PreTrainedTokenizerBase, random: Random, pooled: bool
) -> Document:
    """Put the scene where the spans say `<image>`: as words, or as `IMAGE_ID` for each place."""
    tokens = tokenize(spans, tokenizer)
    at = tokens.ids.index(IMAGE_ID)
    if pooled:
        phrases = [_words(phrase, tokenizer) for phrase in written_places(scene)]
        middle = [IMAGE_ID] * len(phrases)
    else:
        phrases = []
        written = written_scene(scene, random)
        middle = [token for phrase in written for token in _words(phrase + ".", tokenizer)]
    ids = tokens.ids[:at] + middle + tokens.ids[at + 1 :]
    labels = tokens.labels[:at] + [IGNORE_ID] * len(middle) + tokens.labels[at + 1 :]
    return Document(ids, labels, phrases)


def _words(phrase: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    ids: list[int] = tokenizer(" " + phrase, add_special_tokens=False)["input_ids"]
    return ids


def embed(documents: list[Document], embedding: nn.Embedding, noise: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return embeddings, ids and labels, right-padded; pads need no mask under causal attention."""
    length = max(len(document.ids) for document in documents)
    ids = torch.tensor([d.ids + [0] * (length - len(d.ids)) for d in documents])
    labels = torch.tensor([d.labels + [IGNORE_ID] * (length - len(d.ids)) for d in documents])
    embedded = embedding(ids.clamp_min(0))
    phrases = [phrase for document in documents for phrase in document.phrases]
    if phrases:
        words = torch.tensor([phrase + [0] * (LONGEST_PHRASE - len(phrase)) for phrase in phrases])
        known = (words > 0).unsqueeze(-1)
        pooled = (embedding(words) * known).sum(1) / known.sum(1)
        scale = pooled.detach().square().mean(-1, keepdim=True).sqrt()
        pooled = pooled + noise * scale * torch.randn_like(pooled)
        embedded = embedded.masked_scatter((ids == IMAGE_ID).unsqueeze(-1), pooled)
    return embedded, ids, labels


def language_loss(logits: Tensor, ids: Tensor, labels: Tensor) -> Tensor:
    """Next-token loss on all words, weighted towards answers and captions."""
    targets = ids[:, 1:].masked_fill(ids[:, 1:] <= 0, IGNORE_ID)
    losses = cross_entropy(logits[:, :-1].flatten(0, 1).float(), targets.flatten(), reduction="none")
    supervised = labels[:, 1:].flatten() != IGNORE_ID
    weights = supervised + UNSUPERVISED_WEIGHT * (targets.flatten() != IGNORE_ID) * ~supervised
    return (losses * weights).sum() / weights.sum()


def batches(
    tokenizer: PreTrainedTokenizerBase, random: Random, batch_size: int, restate_rate: float
) -> Iterator[list[Document]]:
    """Yield batches of documents of about one length, in random order of length."""
    stream = documents(random, restate_rate)
    while True:
        pool = [
            write_document(scene, spans, tokenizer, random, random.random() < POOLED_RATE)
            for scene, spans in islice(stream, 8 * batch_size)
        ]
        pool.sort(key=lambda document: len(document.ids))
        starts = list(range(0, len(pool), batch_size))
        random.shuffle(starts)
        yield from (pool[start : start + batch_size] for start in starts)


@torch.no_grad()
def reading_accuracy(
    llm: LlamaForCausalLM, tokenizer: PreTrainedTokenizerBase, template: TurnTemplate,
    num_questions: int, pooled: bool, seed: int,
) -> dict[str, float]:  # fmt: skip
    """Exact match of greedy answers about validation scenes: one question each, by kind and in all.

    Greedy decoding is right if and only if, after the right words so far, the likeliest next one is
    right each time; so one forward pass over question and answer tells.
    """
    random = Random(seed)
    right: dict[str, list[bool]] = {kind: [] for kind in KINDS}
    while min(map(len, right.values())) < num_questions // len(KINDS):
        batch, kinds = [], []
        while len(batch) < 128:
            kind = random.choice(KINDS)
            scene = draw_scene(random, "validation")
            turns = conversation(scene, random, 1, (kind,), short=True)
            if turns:
                batch.append(write_document(scene, template.render(turns), tokenizer, random, pooled))
                kinds.append(kind)
        embedded, _, labels = embed(batch, llm.get_input_embeddings(), noise=0.0)
        guesses = llm(inputs_embeds=embedded).logits[:, :-1].argmax(-1)
        wrong = (guesses != labels[:, 1:]) & (labels[:, 1:] != IGNORE_ID)
        for kind, miss in zip(kinds, wrong.any(1).tolist(), strict=True):
            right[kind].append(not miss)
    scores = {kind: sum(hits) / len(hits) for kind, hits in right.items()}
    return scores | {"all": sum(scores.values()) / len(scores)}


def trapezoid(step: int, num_steps: int) -> float:
    """Warm up, hold, and fall to zero over the last share of the steps, fast first and then slowly."""
    left = min(1.0, (num_steps - step) / (DECAY_SHARE * num_steps))
    return min((step + 1) / WARMUP_STEPS, left**2)


def reading_skills(
    llm: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerBase,
    template: TurnTemplate,
    num_questions: int,
    seed: int,
) -> dict[str, dict[str, float]]:
    """Accuracy from scenes written in words, and from scenes of one vector a place."""
    return {
        f"{name}_accuracy": reading_accuracy(llm, tokenizer, template, num_questions, pooled, seed)
        for name, pooled in (("written", False), ("pooled", True))
    }


def resume(saved: Path, parts: list[Any]) -> int:
    """Load the state that an interrupted training left; return its step. Its documents are drawn anew."""
    state = torch.load(saved, weights_only=True)
    for part, values in zip(parts, state["states"], strict=True):
        part.load_state_dict(values)
    return int(state["step"])


def train_llm(
    config: dict, tokenizer: PreTrainedTokenizerBase, template: TurnTemplate,
    num_steps: int, batch_size: int, learning_rate: float, seed: int, log: Path,
) -> tuple[LlamaForCausalLM, float]:  # fmt: skip
    """Train from nothing; return the model and its last loss (nats per token)."""
    torch.manual_seed(seed)
    random = Random(seed)
    llm = LlamaForCausalLM(LlamaConfig(**config))
    # Words that stand in the same places (small, large) are drawn together before anything tells them
    # apart, and from equal output rows no gradient ever does: start them far apart.
    nn.init.normal_(llm.get_input_embeddings().weight, std=INPUT_STD)
    nn.init.normal_(llm.get_output_embeddings().weight, std=OUTPUT_STD)
    optimizer = torch.optim.AdamW(llm.parameters(), lr=learning_rate, weight_decay=0.05, betas=(0.9, 0.98))
    schedule = LambdaLR(optimizer, partial(trapezoid, num_steps=num_steps))
    started, average = time.monotonic(), 0.0
    saved = log.with_suffix(".pt")
    first = resume(saved, [llm, optimizer, schedule]) if saved.is_file() else 0
    random.seed(f"{seed} {first}")
    early, late = (
        batches(tokenizer, random, batch_size, rate) for rate in (RESTATE_RATE, LATER_RESTATE_RATE)
    )
    for step in range(first, num_steps):
        batch = next(early if step < RESTATE_SHARE * num_steps else late)
        embedded, ids, labels = embed(batch, llm.get_input_embeddings(), POOLED_NOISE)
        loss = language_loss(llm(inputs_embeds=embedded).logits, ids, labels)
        loss.backward()
        nn.utils.clip_grad_norm_(llm.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        average = loss.item() if step == first else 0.99 * average + 0.01 * loss.item()
        if step % LOG_EVERY == LOG_EVERY - 1 or step == num_steps - 1:
            row = {"step": step + 1, "seconds": round(time.monotonic() - started), "loss": average}
            with log.open("a") as lines:
                lines.write(json.dumps(row | reading_skills(llm, tokenizer, template, 640, seed=1)) + "\n")
            states = [part.state_dict() for part in (llm, optimizer, schedule)]
            torch.save({"step": step + 1, "states": states}, saved)
    return llm.eval(), average
