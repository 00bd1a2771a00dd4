"""The schema: every value a run may set, its type and unit; and composing a sentence into it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Optional

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.types import RunMode
from omegaconf import MISSING, DictConfig, OmegaConf, open_dict

from vlm.paths import config_dir

PARTS = ("encoder", "projector", "llm")
"""In the direction that data flows."""


class Learning(Enum):
    """How a part takes part in a stage."""

    frozen = "frozen"
    full = "full"


class Schedule(Enum):
    """What the learning rate does after its warm-up."""

    cosine = "cosine"  # falls to zero along half a cosine
    constant = "constant"


class ImageMode(Enum):
    """How a picture becomes a square."""

    crop = "crop"  # shortest side to size, then the center
    pad = "pad"  # to a square in the mean color, then to size
    resize = "resize"  # to size, ratio lost


@dataclass
class Optimizer:
    """AdamW and its schedule."""

    learning_rate: float = MISSING
    """Peak, after warm-up."""
    warmup_fraction: float = 0.03
    """Of the stage's steps, in [0, 1]."""
    schedule: Schedule = Schedule.cosine
    weight_decay: float = 0.0
    """Of matrices only: never of biases and norms."""
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    max_gradient_norm: float | None = None
    """Clips at this norm; null clips nothing, as LLaVA's recipe does."""


@dataclass
class Source:
    """Shards that samples are drawn from."""

    shards: Any = MISSING
    """A glob or a list of globs of tar files."""
    weight: float = 1.0
    """Passes over the source in one epoch of the mixture; 0.3 reads three samples of ten."""
    licence: str | None = None
    made_by: str | None = None
    """The generator that writes the shards if they are absent: `shapes`, or null."""


@dataclass
class Stage:
    """What learns, from what data, how fast, and the stage it starts from."""

    name: str = MISSING
    learns: dict[str, Learning] = MISSING
    """One entry for each of encoder, projector, llm."""
    template: Any = None
    """A choice of the group `template`; null is the LLM's own."""
    image_mode: ImageMode = MISSING
    batch_size: int = MISSING
    """Samples per optimizer step, over all devices."""
    steps: int | None = None
    """Optimizer steps; null follows from `epochs`."""
    epochs: float = 1.0
    """Passes over the mixture if `steps` is null."""
    optimizer: Optimizer = field(default_factory=Optimizer)
    mixture: dict[str, Source] | None = None
    """Set for a nested stage only; the outermost stage reads the run's `mixture`."""
    after: Optional["Stage"] = None
    """The stage it starts from; null starts from the parts as they come."""


@dataclass
class Trainer:
    """The hardware, and what must not change the result."""

    accelerator: str = "cpu"
    precision: str = "32-true"
    """As Lightning spells it: `32-true`, `bf16-mixed`, ..."""
    num_workers: int = 0
    """Processes that prepare batches; 0 prepares them in the training process."""
    num_threads: int = 2
    """CPU threads of the training process; part of what makes a CPU run repeat to the bit."""
    checkpoint_every: int = 100
    """Steps between resumable checkpoints."""
    log_every: int = 10
    """Steps between logged metrics."""
    max_steps: int | None = None
    """Cuts every stage short after this many steps, for trials."""


@dataclass
class Evaluation:
    """What is asked after training."""

    benchmarks: dict[str, Any] = field(default_factory=dict)
    """Choices of the group `benchmark` by name."""
    batch_size: int = 1
    """Questions at once."""
    table_size: int = 0
    """Predictions kept with their pictures in the tracker."""


@dataclass
class Paths:
    """Folders, relative to where the command is run."""

    runs: str = "runs"
    data: str = "data"
    reports: str = "reports"


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
    seed: int = MISSING
    cell: str | None = None
    """Set by a sweep: the folder of this cell."""
    parent: str | None = None
    """Set by a sweep: the tracker's run that this cell belongs to."""


ConfigStore.instance().store(name="schema", node=Run)


@dataclass(frozen=True)
class Sentence:
    """What words compose to.

    Args:
        config: Read-only.
        choices: The word of each group: `{"encoder": "tiny_clip", ...}`.
        states_axes: Whether an experiment among the words is a sweep.
    """

    config: DictConfig
    choices: dict[str, str]
    states_axes: bool


def compose_sentence(overrides: Sequence[str]) -> Sentence:
    """Compose what the overrides say.

    Raises:
        hydra.errors.HydraException, omegaconf.errors.OmegaConfBaseException: An unknown key or choice, or
            a value of the wrong type.
    """
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        config = compose("config", list(overrides), return_hydra_config=True)
    hydra = config.hydra
    choices = {group: str(choice) for group, choice in hydra.runtime.choices.items() if "hydra" not in group}
    states_axes = hydra.mode is RunMode.MULTIRUN
    OmegaConf.set_readonly(config, False)
    with open_dict(config):
        del config.hydra
    OmegaConf.set_readonly(config, True)
    return Sentence(config, choices, states_axes)
