"""The schema: every value a run may set, its type and unit."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Optional

from omegaconf import MISSING

PARTS = ("encoder", "projector", "llm")
"""In the direction that data flows."""


class Learning(Enum):
    """How a part takes part in a stage."""

    frozen = "frozen"
    full = "full"
    blocks = "blocks"  # the last of its transformer's, as many as `last_blocks` says
    adapter = "adapter"  # what the group `adapter` adds to it, and nothing else of it


class BatchingMode(Enum):
    """Which samples of a step share a row."""

    packed = "packed"  # best fit, whole documents, no padding
    padded = "padded"  # as they come, padded to the longest
    grouped = "grouped"  # as LLaVA: a step of one modality, a row of about one length, padded to the longest


class Schedule(Enum):
    """What the learning rate does after its warm-up."""

    cosine = "cosine"  # falls to zero along half a cosine
    constant = "constant"


class ImageMode(Enum):
    """How a picture becomes squares."""

    crop = "crop"  # shortest side to size, then the center
    pad = "pad"  # to a square in the mean color, then to size
    resize = "resize"  # to size, ratio lost
    anyres = "anyres"  # the whole resized, then tiles of a grid that suits its ratio


class Merge(Enum):
    """In which order the visual tokens of a picture's tiles are read."""

    flat = "flat"  # tile after tile
    spatial = "spatial"  # row after row of the whole grid
    unpad = "unpad"  # so, without what shows no picture, and with a learned vector at the end of each row


def limited(
    default: Any = MISSING,
    *,
    least: int | float | None = None,
    above: int | float | None = None,
    most: int | float | None = None,
) -> Any:
    """A field whose value `check_limits` holds to `least <= value <= most` and `value > above`."""
    limits = {"at least": least, "above": above, "at most": most}
    return field(
        default=default, metadata={name: limit for name, limit in limits.items() if limit is not None}
    )


@dataclass
class Optimizer:
    """AdamW and its schedule."""

    learning_rate: float = limited(above=0)
    """Peak, after warm-up."""
    part_learning_rates: dict[str, float] = field(default_factory=dict)
    """Peaks of parts that have their own: `{projector: 2.0e-5}`."""
    warmup_fraction: float = limited(0.03, least=0, most=1)
    """Of the stage's steps."""
    schedule: Schedule = Schedule.cosine
    weight_decay: float = limited(0.0, least=0)
    """Of matrices only: never of biases and norms."""
    beta1: float = limited(0.9, least=0, most=1)
    beta2: float = limited(0.999, least=0, most=1)
    epsilon: float = limited(1e-8, least=0)
    max_gradient_norm: float | None = limited(None, above=0)
    """Clips at this norm; null clips nothing, as LLaVA's recipe does."""


@dataclass
class Image:
    """How a picture becomes the encoder's squares, and they visual tokens."""

    mode: ImageMode = MISSING
    grids: list[list[int]] = field(default_factory=lambda: [[2, 1], [1, 2], [2, 2], [1, 3], [3, 1]])
    """Rows and columns of tiles that `anyres` chooses from; LLaVA-NeXT's."""
    merge: Merge = Merge.unpad
    """Of the tiles of `anyres`."""


@dataclass
class Source:
    """Shards that samples are drawn from."""

    shards: Any = MISSING
    """A glob or a list of globs of tar files."""
    weight: float = limited(1.0, least=0)
    """Passes over the source in one epoch of the mixture; 0.3 reads three samples of ten."""
    samples: int | None = limited(None, least=1)
    """Samples that one epoch of the mixture reads, whatever the source's size; null follows from `weight`."""
    count: int | None = limited(None, least=1)
    """Samples that its shards must hold, so that a mixture is what it is called; null takes any."""
    loss_weight: float = limited(1.0, above=0)
    """What each of its supervised tokens counts for in the loss of a step, beside one of weight 1."""
    template: Any = None
    """A choice of the group `template` for this source; null is the stage's."""
    image: Image | None = None
    """How this source's pictures are prepared; null is as the stage says."""
    licence: str | None = None
    made_by: str | None = None
    """The generator that writes the shards if they are absent: `shapes`, or null."""


@dataclass
class Batching:
    """How a step's samples are laid into rows."""

    mode: BatchingMode = BatchingMode.packed
    window: int = limited(1, least=1)
    """Steps whose samples are packed together: more fill rows better, and a step then has `batch_size`
    samples on average."""


@dataclass
class Stage:
    """What learns, from what data, how fast, and the stage it starts from."""

    name: str = MISSING
    learns: dict[str, Learning] = MISSING
    """One entry for each of encoder, projector, llm."""
    last_blocks: dict[str, int] = field(default_factory=dict)
    """How many blocks learn, of each part that learns by `blocks`: `{encoder: 4}`."""
    template: Any = None
    """A choice of the group `template`; null is the LLM's own."""
    image: Image = field(default_factory=Image)
    batch_size: int = limited(least=1)
    """Samples per optimizer step, over all devices."""
    steps: int | None = limited(None, least=1)
    """Optimizer steps; null follows from `epochs`."""
    epochs: float = limited(1.0, above=0)
    """Passes over the mixture if `steps` is null."""
    batching: Batching = field(default_factory=Batching)
    temperature: float = limited(1.0, above=0)
    """Evens out how often sources are drawn: as their size to the power 1 / temperature, in all as many."""
    optimizer: Optimizer = field(default_factory=Optimizer)
    mixture: dict[str, Source] | None = None
    """Set for a nested stage only; the outermost stage reads the run's `mixture`."""
    after: Optional["Stage"] = None
    """The stage it starts from; null starts from the parts as they come."""


@dataclass
class Gate:
    """What every source must show before the first step."""

    samples: int = limited(200, least=0)
    """Of each source, looked at; 0 looks at none."""
    tolerance: float = limited(0.05, least=0, most=1)
    """Share of them that may teach nothing, or lose a part of their answers."""


@dataclass
class Trainer:
    """The hardware, and what must not change the result."""

    accelerator: str = "cpu"
    precision: str = "32-true"
    """As Lightning spells it: `32-true`, `bf16-mixed`, ..."""
    num_workers: int = limited(0, least=0)
    """Processes that prepare batches; 0 prepares them in the training process."""
    num_threads: int = limited(2, least=1)
    """CPU threads of the training process; part of what makes a CPU run repeat to the bit."""
    tokens_per_row: int = limited(16384, least=1)
    """Tokens of a packed row: what one forward and backward pass holds in memory."""
    samples_per_row: int = limited(1, least=1)
    """Samples of a row where rows are not packed."""
    on_error: str = "raise"
    """What a sample that nothing can be learned from does: `raise` stops the run, `skip` leaves it out."""
    cache_gib: float = limited(100.0, above=0)
    """GiB of remote shards that `paths.cache` holds at most."""
    gate: Gate = field(default_factory=Gate)
    checkpoint_every: int = limited(100, least=1)
    """Steps between resumable checkpoints."""
    log_every: int = limited(10, least=1)
    """Steps between logged metrics."""
    max_steps: int | None = limited(None, least=1)
    """Cuts every stage short after this many steps, for trials."""


@dataclass
class Evaluation:
    """What is asked after training."""

    benchmarks: dict[str, Any] = field(default_factory=dict)
    """Choices of the group `benchmark` by name."""
    batch_size: int = limited(1, least=1)
    """Questions at once."""
    table_size: int = limited(0, least=0)
    """Predictions kept with their pictures in the tracker."""


@dataclass
class Paths:
    """Folders, relative to where the command is run."""

    runs: str = "runs"
    data: str = "data"
    reports: str = "reports"
    cache: str = "cache"
    """What is measured of data, and copies of remote shards; may be deleted."""


@dataclass
class Run:
    """A sentence, composed."""

    encoder: Any = MISSING
    projector: Any = MISSING
    llm: Any = MISSING
    adapter: Any = MISSING
    stage: Stage = MISSING
    mixture: dict[str, Source] = MISSING
    trainer: Trainer = MISSING
    tracking: Any = MISSING
    evaluation: Evaluation = MISSING
    paths: Paths = field(default_factory=Paths)
    name: str = MISSING
    """Names the experiment in the tracker, the sweep's folder and the report."""
    seed: int = limited(least=0)
    twin: bool = False
    """Build every part as a small random twin of the same class and wiring, to prove a sentence on a CPU."""
    cell: str | None = None
    """Set by a sweep: the folder of this cell."""
    parent: str | None = None
    """Set by a sweep: the tracker's run that this cell belongs to."""
