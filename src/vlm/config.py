"""The schema: every value a run may set, its type and unit."""

from dataclasses import dataclass, field
from typing import Any, Optional

from omegaconf import MISSING

from vlm.config_budget import Budget, Tuning
from vlm.config_evaluation import Evaluation
from vlm.limits import limited
from vlm.values import (
    BatchingMode,
    Checkpointing,
    ImageMode,
    Kernels,
    Learning,
    Merge,
    Parity,
    Schedule,
)

PARTS = ("encoder", "projector", "llm")
"""In the direction that data flows."""


@dataclass
class PartOptimizer:
    """What of the optimizer is a part's own."""

    learning_rate: float | None = limited(None, above=0)
    """Peak; null is the stage's."""
    warmup_fraction: float | None = limited(None, least=0, most=1)
    """Of the stage's steps; null is the stage's."""
    first_step: int = limited(0, least=0)
    """It is frozen before this step, and its warm-up begins there."""


@dataclass
class Optimizer:
    """AdamW and its schedule."""

    learning_rate: float = limited(above=0)
    """Peak, after warm-up."""
    encoder: PartOptimizer = field(default_factory=PartOptimizer)
    projector: PartOptimizer = field(default_factory=PartOptimizer)
    llm: PartOptimizer = field(default_factory=PartOptimizer)
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
    ema: float | None = limited(None, above=0, most=1)
    """Keep the moving average of what learns, each step this much of the one before; it is what the run
    leaves. null leaves the last weights."""


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
    held_out: int = limited(0, least=0)
    """Samples at its end that are never learned from, and whose loss is `validation/<source>/loss`."""
    loss_weight: float = limited(1.0, above=0)
    """What each of its supervised tokens counts for in the loss of a step, beside one of weight 1."""
    without_text: str | None = None
    """Is cut from what the human says wherever it stands, to see what a format prompt is worth; null cuts
    nothing."""
    template: Any = None
    """A choice of the group `template` for this source; null is the stage's."""
    image: Image | None = None
    """How this source's pictures are prepared; null is as the stage says."""
    licence: str | None = None
    made_by: Any = None
    """What writes the shards if they are absent: `shapes` (the world), commands of vlm (a list, each without
    `vlm`), or null."""


@dataclass
class ParityRows:
    """How LLaVA's scripts lay a stage's samples into rows."""

    mode: BatchingMode = BatchingMode.padded
    row_size: int = limited(16, least=1)
    """Samples of a device's batch."""


@dataclass
class Batching:
    """How a step's samples are laid into rows."""

    mode: BatchingMode = BatchingMode.packed
    parity: ParityRows = field(default_factory=ParityRows)
    """What `parity=llava` puts in the place of `mode` and `trainer.samples_per_row`."""
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
    """How each device works, and what must not change the result."""

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
    activation_checkpointing: Checkpointing = Checkpointing.none
    """What of a block's activations is kept for the backward pass."""
    compile: bool = False
    """Compile each block, for rows of exactly `tokens_per_row` tokens."""
    kernels: Kernels = Kernels.torch
    """Of the LLM's norms, rotations and gated layers."""
    peak_tflops: float | None = limited(None, above=0)
    """Of a device, in the precision that it trains in, for MFU; null is known of some GPUs."""
    checkpoint_every: int = limited(100, least=1)
    """Steps between resumable checkpoints."""
    keep_last: int = limited(1, least=1)
    """Resumable checkpoints that are kept while it trains."""
    keep_best: bool = False
    """Keep the checkpoint of the lowest validation loss, also after the run has ended."""
    requeue: bool = False
    """Ask Slurm to start the job again when it stops the run, once the state is saved."""
    validate_every: int | None = limited(None, least=1)
    """Steps between losses of what the sources hold out; null takes them at the end."""
    look_every: int | None = limited(None, least=1)
    """Steps between losses without the right pictures, and attention on them; null never looks."""
    look_samples: int = limited(32, least=1)
    """Samples that are looked at where no source holds any out; all that are held out otherwise."""
    sample_answers: int = limited(0, least=0)
    """Answers to held-out conversations that are shown with each validation, of each source."""
    log_every: int = limited(10, least=1)
    """Steps between logged metrics."""
    rendezvous: str | None = None
    """HOST:PORT of the first of several machines; a Slurm job knows it by itself."""
    max_steps: int | None = limited(None, least=1)
    """Cuts every stage short after this many steps, for trials."""


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
    strategy: Any = MISSING
    tracking: Any = MISSING
    budget: Budget = field(default_factory=Budget)
    tuning: Tuning = field(default_factory=Tuning)
    evaluation: Evaluation = MISSING
    paths: Paths = field(default_factory=Paths)
    name: str = MISSING
    """Names the experiment in the tracker, the sweep's folder and the report."""
    seed: int = limited(least=0)
    devices: int = limited(1, least=1)
    """Processes on each machine, a device each."""
    nodes: int = limited(1, least=1)
    """Machines."""
    resume: str = "auto"
    """Where a half-finished run goes on: `auto` from its last checkpoint, `never` from its start, or the
    step of a checkpoint that was kept."""
    checkpoint: str | None = None
    """Which resumable state `vlm evaluate` asks: `last`, `best`, or a step; null is the finished run."""
    parity: Parity = Parity.none
    """`llava` repeats the arithmetic of LLaVA's own code, to be held against it."""
    twin: bool = False
    """Build every part as a small random twin of the same class and wiring, to prove a sentence on a CPU."""
    objective: str | None = None
    """What `hydra/sweeper=optuna` goes by: `benchmark/shapes/accuracy`, `validation/loss`, ...; null is the
    mean of the benchmarks' headlines."""
    cell: str | None = None
    """Set by a sweep: the folder of this cell."""
    parent: str | None = None
    """Set by a sweep: the tracker's run that this cell belongs to."""
