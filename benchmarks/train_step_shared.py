"""What both sides of `train_step.py` share: shapes, samples, weights, a clock; nothing of their libraries."""

import os
import resource
import time
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

VOCABULARY = 32_000
IMAGE, IGNORED = -200, -100
PICTURES = 32  # distinct ones, which samples share
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
OPENING = 35  # tokens before the picture
MIXTURE = {
    # share of the samples, tokens of one with its picture, spread, turns, share of the text that is answers
    "LLaVA": (157_712, 890, 0.5, 2, 0.75),
    "ShareGPT": (40_688, 1300, 0.6, 4, 0.75),
    "VQAv2": (82_783, 735, 0.4, 5, 0.16),
    "GQA": (72_140, 890, 0.5, 13, 0.14),
    "OKVQA": (8_998, 640, 0.2, 1, 0.12),
    "OCRVQA": (80_000, 750, 0.3, 5, 0.22),
    "A-OKVQA": (66_160, 680, 0.2, 1, 0.05),
    "TextCaps": (21_953, 720, 0.4, 1, 0.15),
    "RefCOCO": (48_447, 960, 0.5, 7, 0.45),
    "VG": (86_417, 1160, 0.3, 10, 0.45),
}
CAPTIONS = {"LCS": (1, 595 + OPENING - 1, 0.4, 1, 0.95)}
LONGEST = 2048  # tokens, where documents are cut


@dataclass(frozen=True)
class Shape:
    """Sizes of a model.

    Args:
        text: dim, inner dim, layers, heads of the LLM.
        vision: The same of the encoder, whose last layer only the peer builds.
        image_size: In pixels; patches are of 14.
        scale: What lengths of text are divided by.
    """

    text: tuple[int, int, int, int]
    vision: tuple[int, int, int, int]
    image_size: int = 168
    scale: int = 4

    @property
    def text_config(self) -> dict[str, Any]:
        """As transformers names it."""
        return _config("llama", self.text) | {
            "num_key_value_heads": self.text[3], "vocab_size": VOCABULARY, "max_position_embeddings": 4096,
            "rms_norm_eps": 1e-5, "tie_word_embeddings": False,
        }  # fmt: skip

    @property
    def vision_config(self) -> dict[str, Any]:
        """As transformers names it."""
        return _config("clip_vision_model", self.vision) | {"image_size": self.image_size, "patch_size": 14}

    @property
    def visual_tokens(self) -> int:
        """Of a picture."""
        return (self.image_size // 14) ** 2


def _config(kind: str, sizes: tuple[int, int, int, int]) -> dict[str, Any]:
    keys = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
    return {"model_type": kind, **dict(zip(keys, sizes, strict=True))}


SHAPES = {
    "tiny": Shape((64, 128, 2, 2), (64, 128, 3, 2)),
    "20M": Shape((192, 512, 6, 3), (256, 1024, 6, 4)),
    "60M": Shape((512, 1376, 6, 8), (320, 1280, 6, 5)),
    "7B": Shape((4096, 11008, 32, 32), (1024, 4096, 24, 16), image_size=336, scale=1),
}


@dataclass(frozen=True)
class Job:
    """What one process does.

    Args:
        side: `ours` or `peer`.
        size: Tokens of a packed row of ours, samples of a micro-batch of the peer.
        grouped: Whether the peer's samples are grouped by length.
        profile: Whether its parts are timed, which takes a little time itself.
    """

    side: str
    size: int
    grouped: bool = False
    profile: bool = False
    shape: str = "20M"
    stage: str = "instruct"
    device: str = "cpu"
    precision: str = "32-true"
    batch: int = 32
    warm: int = 1
    steps: int = 5  # with those that warm up
    learning_rate: float = 1e-3
    checkpointing: bool = False

    @property
    def label(self) -> str:
        """What distinguishes it in a table."""
        if self.side == "ours":
            return f"rows of {self.size:,} tokens"
        return f"micro-batches of {self.size}" + (", grouped" if self.grouped else "")


@dataclass(frozen=True)
class Sample:
    """A sample as tokens.

    Args:
        ids: With `IMAGE` at each visual token.
        labels: The id where it is to be learned, `IGNORED` elsewhere.
        picture: Which, or None.
    """

    ids: NDArray[np.int64]
    labels: NDArray[np.int64]
    picture: int | None


def make_samples(job: Job, shape: Shape) -> list[Sample]:
    """Return a run's samples, the same for both sides."""
    generator = np.random.default_rng(0)
    mixture = CAPTIONS if job.stage == "align" else MIXTURE
    shares = np.array([part[0] for part in mixture.values()], float)
    names = generator.choice(list(mixture), job.batch * job.steps, p=shares / shares.sum())
    return [_sample(generator, shape, mixture[name], name == "ShareGPT", job.stage) for name in names]


def _sample(
    generator: np.random.Generator, shape: Shape, part: tuple[Any, ...], blind: bool, stage: str
) -> Sample:
    _, total, spread, turns, answered = part
    opening = 1 if stage == "align" else OPENING // shape.scale + 1
    visual = 0 if blind else shape.visual_tokens
    text = total - OPENING - (0 if blind else 576)
    text = text / shape.scale * generator.lognormal(-(spread**2) / 2, spread)
    text = round(min(max(text, 2 * turns), LONGEST / shape.scale - visual - opening))
    # A word of rank r is about 1 / r as frequent as the first, so that there is something to learn.
    ids = 3 + np.floor((VOCABULARY - 4) ** generator.random(opening + visual + text)).astype(np.int64) - 1
    ids[opening : opening + visual] = IMAGE
    labels = np.full(len(ids), IGNORED)
    for turn in np.array_split(np.arange(opening + visual, len(ids)), turns):
        learned = turn[-max(1, round(answered * len(turn))) :]
        labels[learned] = ids[learned]
    return Sample(ids, labels, None if blind else int(generator.integers(PICTURES)))


def make_pictures(shape: Shape) -> NDArray[np.uint8]:
    """Return noise: picture, row, column, channel."""
    size = (PICTURES, shape.image_size, shape.image_size, 3)
    return np.random.default_rng(1).integers(0, 256, size, dtype=np.uint8)


@torch.no_grad()
def draw_weight(name: str, weight: Tensor) -> None:
    """Fill a weight with what follows from its name in the peer."""
    if name.endswith("bias"):
        weight.zero_()
    elif weight.ndim == 1 and "norm" in name:
        weight.fill_(1)
    else:
        generator = torch.Generator(weight.device).manual_seed(zlib.crc32(name.encode()))
        weight.normal_(0, 0.02, generator=generator)


def seconds_of_others() -> float:
    """Return the seconds of CPU that other processes took, since whenever."""
    words = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    idle = int(words[3]) + int(words[4])
    busy = (sum(map(int, words[:8])) - idle) / os.sysconf("SC_CLK_TCK")
    own = resource.getrusage(resource.RUSAGE_SELF)
    return busy - own.ru_utime - own.ru_stime


class Clock:
    """Times a run after its warm-up and, if asked, its parts.

    Args:
        job: The run.
    """

    def __init__(self, job: Job) -> None:
        self.job, self.losses, self.built, self.state = job, list[float](), 0.0, 0.0
        self.parts: Counter[str] = Counter()
        self._stack: list[str] = []
        self._started = self._stopped = self._by_others = 0.0

    def timed(
        self, function: Callable[..., Any], label: str, within: str | None = None
    ) -> Callable[..., Any]:
        """Return a function that does the same and is timed, less what is timed within it.

        Args:
            function: What is called.
            label: The part that it is of.
            within: Time only what is called by this part.
        """
        if not self.job.profile:
            return function

        def call(*values: Any, **options: Any) -> Any:
            if within is not None and self._stack[-1:] != [within]:
                return function(*values, **options)
            started = self._now()
            self._stack.append(label)
            try:
                return function(*values, **options)
            finally:
                self._stack.pop()
                took = self._now() - started
                self.parts[label] += took
                if self._stack:
                    self.parts[self._stack[-1]] -= took

        return call

    def _now(self) -> float:
        if self.job.device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def note_built(self, model: nn.Module) -> None:
        """Note what is held before the first step, and what gradients and moments will hold besides."""
        learning = [weight for weight in model.parameters() if weight.requires_grad]
        self.state = 3 * sum(weight.numel() * weight.element_size() for weight in learning) / 2**20
        if self.job.device == "cuda":
            self.built = torch.cuda.memory_allocated() / 2**20
            torch.cuda.reset_peak_memory_stats()
        else:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            self.built = pages * resource.getpagesize() / 2**20

    def note_step(self, loss: float) -> None:
        """Note that a step is done."""
        self.losses.append(loss)
        self._stopped = self._now()
        if len(self.losses) == self.job.warm:
            self._started = self._stopped
            self._by_others = seconds_of_others()
            self.parts.clear()

    def result(self) -> dict[str, Any]:
        """Return the run's figures; parts are seconds a sample."""
        count = self.job.batch * (self.job.steps - self.job.warm)
        seconds = self._stopped - self._started
        labels = ("data", "encoder", "LLM", "attention", "head and loss", "backward", "optimizer")
        parts = {label: self.parts[label] / count for label in labels}
        parts |= {"other": seconds / count - sum(parts.values()), "all": seconds / count}
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        if self.job.device == "cuda":
            peak = torch.cuda.max_memory_allocated() / 2**20
        others = (seconds_of_others() - self._by_others) / seconds
        figures = {
            "others": others,
            "rate": count / seconds,
            "peak": peak,
            "built": self.built,
            "activations": peak - self.built - self.state,
            "losses": self.losses,
        }
        return {**figures, "parts": parts}
