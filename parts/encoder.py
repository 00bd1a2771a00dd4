"""Train the tiny CLIP contrastively on the shapes world's pictures and captions.

A batch is groups of scenes that differ in one fact (a color, a shape, a size, a place, a word), so
that no caption can be matched by its easy words alone and every fact must be in the features.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random

import numpy as np
import torch
from open_clip import CLIP, ClipLoss
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import PreTrainedTokenizerBase

from vlm.corpus.shapes.language import EMPTY, written_places
from vlm.corpus.shapes.render import render
from vlm.corpus.shapes.scene import (
    COLORS,
    PLACES,
    SHAPES,
    SIZES,
    WORDS,
    Scene,
    Shape,
    Word,
    draw_scene,
    split_of,
    split_pairs,
)  # fmt: skip

MEAN, STD = 0.18, 0.22  # of the rendered pictures, the same for each channel
GROUP_SIZE = 8
# What a variation changes, and how often: shapes are the hardest to see, so most differ in one.
_SHAPE_FACTS: dict[str, tuple[Sequence, float]] = {
    "kind": (SHAPES, 0.4), "place": (range(9), 0.2), "color": (COLORS, 0.2), "size": (SIZES, 0.2),
}  # fmt: skip
_WORD_FACTS: dict[str, tuple[Sequence, float]] = {"text": (WORDS, 0.5), "place": (range(9), 0.5)}
CONTEXT_LENGTH = 32  # tokens: the longest caption, and its end


def vary(scene: Scene, random: Random) -> Scene:
    """Change one fact of the scene and stay in the train split."""
    allowed, _ = split_pairs("train")
    while True:
        things = list(scene.things)
        at = random.randrange(len(things))
        values = _WORD_FACTS if isinstance(things[at], Word) else _SHAPE_FACTS
        name = random.choices([*values], [share for _, share in values.values()])[0]
        things[at] = replace(things[at], **{name: random.choice(values[name][0])})
        shapes = sorted((t for t in things if isinstance(t, Shape)), key=lambda shape: shape.place)
        varied = Scene(tuple(shapes), next((t for t in things if isinstance(t, Word)), None))
        pairs_allowed = all((shape.color, shape.kind) in allowed for shape in shapes)
        places_differ = len({thing.place for thing in things}) == len(things)
        if varied != scene and pairs_allowed and places_differ and split_of(varied) == "train":
            return varied


def scenes(random: Random) -> Iterator[Scene]:
    """Yield groups of scenes, one after the other, each group a chain of single changes."""
    while True:
        first = draw_scene(random, "train")
        group = {first}
        while len(group) < GROUP_SIZE:
            group.add(vary(random.choice(sorted(group, key=repr)), random))
        yield from sorted(group, key=repr)


def to_pixels(images: list[Scene], random: Random) -> Tensor:
    """Render and normalise: [image, 3, 72, 72]."""
    pixels = np.stack([np.asarray(render(scene, random)) for scene in images])
    return (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 - MEAN) / STD


def _phrases(scene: Scene) -> list[str]:
    return [phrase for phrase in written_places(scene) if not phrase.endswith(EMPTY)]


def to_text(images: list[Scene], tokenizer: PreTrainedTokenizerBase) -> Tensor:
    """Tokenize the captions: [image, context]."""
    texts = ["".join(f" {phrase}." for phrase in _phrases(scene)) + "</s>" for scene in images]
    ids: Tensor = tokenizer(
        texts, add_special_tokens=False, padding="max_length", max_length=CONTEXT_LENGTH, return_tensors="pt"
    )["input_ids"]
    return ids


def train_encoder(
    config: dict, tokenizer: PreTrainedTokenizerBase,
    num_steps: int, batch_size: int, learning_rate: float, seed: int, log: Path,
) -> tuple[nn.Module, float]:  # fmt: skip
    """Train from nothing; return the vision tower and the last contrastive loss (nats)."""
    torch.manual_seed(seed)
    random = Random(seed)
    clip = CLIP(**config)
    optimizer = torch.optim.AdamW(clip.parameters(), lr=learning_rate, weight_decay=0.05, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, num_steps, pct_start=0.05)
    loss_function = ClipLoss()
    stream = scenes(random)
    started, average = time.monotonic(), 0.0
    for step in range(num_steps):
        batch = [next(stream) for _ in range(batch_size)]
        image_features, text_features, scale = clip(to_pixels(batch, random), to_text(batch, tokenizer))
        loss = loss_function(image_features, text_features, scale)
        loss.backward()
        nn.utils.clip_grad_norm_(clip.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        with torch.no_grad():
            clip.logit_scale.clamp_(0, np.log(100))
        average = loss.item() if step == 0 else 0.98 * average + 0.02 * loss.item()
        if step % 250 == 249 or step == num_steps - 1:
            scores = probe(partial(last_but_one, clip.visual), seed=1)
            row = {"step": step + 1, "seconds": round(time.monotonic() - started), "loss": average, **scores}
            with log.open("a") as lines:
                lines.write(json.dumps(row) + "\n")
            torch.save(clip.visual.state_dict(), log.with_suffix(".pt"))
    return clip.visual.eval(), average


def probe(encoder: Callable[[Tensor], Tensor], seed: int, num_scenes: int = 4000) -> dict[str, float]:
    """Accuracy of linear probes on the patch features of the layer before last.

    The probes are fitted on train scenes and scored on validation scenes, at the places where a shape
    stands (empty places would flatter), or a word for `word`.
    """
    torch.manual_seed(seed)
    random = Random(seed)
    train = [draw_scene(random, "train") for _ in range(num_scenes)]
    test = [draw_scene(random, "validation") for _ in range(num_scenes // 4)]
    x_train, x_test = (_patch_features(encoder, split, random) for split in (train, test))
    scores = {}
    for name, values in {"color": COLORS, "kind": SHAPES, "size": SIZES, "text": WORDS}.items():
        y_train, y_test = (_targets(split, name, values) for split in (train, test))
        guesses = _fit(x_train[y_train >= 0], y_train[y_train >= 0], len(values))(x_test[y_test >= 0])
        scores[name] = (guesses.argmax(-1) == y_test[y_test >= 0]).float().mean().item()
    return scores


@torch.no_grad()
def _patch_features(encoder: Callable[[Tensor], Tensor], split: list[Scene], random: Random) -> Tensor:
    return encoder(to_pixels(split, random))


def last_but_one(visual: nn.Module, pixels: Tensor) -> Tensor:
    """Patch features of the layer that the framework's encoder will read."""
    outputs = visual.forward_intermediates(pixels, indices=[-2], intermediates_only=True, output_fmt="NLC")
    return outputs["image_intermediates"][0]


def _targets(split: list[Scene], name: str, values: tuple[str, ...]) -> Tensor:
    """The index of the attribute's value at each place, or -1: [scene, place]."""
    targets = torch.full((len(split), len(PLACES)), -1)
    for row, scene in enumerate(split):
        for thing in scene.things:
            if hasattr(thing, name):
                targets[row, thing.place] = values.index(getattr(thing, name))
    return targets


@torch.enable_grad()
def _fit(features: Tensor, targets: Tensor, num_classes: int) -> nn.Sequential:
    """Multinomial logistic regression."""
    normalise = nn.BatchNorm1d(features.shape[-1], affine=False, momentum=None)
    linear = nn.Linear(features.shape[-1], num_classes)
    classifier = nn.Sequential(normalise, linear)
    classifier(features)  # one pass sets the running mean and variance
    classifier.eval()
    optimizer = torch.optim.LBFGS(linear.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = cross_entropy(classifier(features), targets) + 1e-4 * linear.weight.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return classifier
