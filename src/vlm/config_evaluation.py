"""The schema of what is asked after training."""

from dataclasses import dataclass, field
from typing import Any

from vlm.limits import limited
from vlm.values import Control, Precision, Quantization


@dataclass
class Decoding:
    """How the words of an answer are chosen."""

    temperature: float = limited(0.0, least=0)
    """0 takes the most likely word; above, words are drawn, the more evenly the higher."""
    top_p: float | None = limited(None, above=0, most=1)
    """Draw from the most likely words that hold this share of the probability; null from all."""
    top_k: int | None = limited(None, least=1)
    """Draw from so many of the most likely words; null from all."""
    num_beams: int = limited(1, least=1)
    """Answers that are pursued at once, of which the likeliest is taken."""
    stop: list[str] = field(default_factory=list)
    """An answer ends before the first of these."""


@dataclass
class Evaluation:
    """What is asked after training, and how."""

    benchmarks: dict[str, Any] = field(default_factory=dict)
    """Choices of the group `benchmark` by name."""
    batch_size: int = limited(1, least=1)
    """Questions at once, on each device; no answer depends on it."""
    precision: Precision = Precision.float32
    """Of the model that answers; LLaVA's scripts ask in float16."""
    quantization: Quantization = Quantization.none
    """Of the LLM's linear layers, but for its head; needs CUDA and bitsandbytes."""
    decoding: Decoding = field(default_factory=Decoding)
    controls: list[Control] = field(default_factory=lambda: list(Control))
    """What is scored beside the model; `blind` and `shuffled` ask every question once more."""
    questions: int | None = limited(None, least=1)
    """Ask so many of each benchmark, spread over all; null asks all."""
    resamples: int = limited(1000, least=0)
    """Of a score's 95 % interval, over pictures."""
    table_size: int = limited(0, least=0)
    """Predictions kept with their pictures in the tracker."""
    every: int | None = limited(None, least=1)
    """Steps of training between scores on `questions_in_training` questions; null asks none."""
    questions_in_training: int = limited(64, least=1)
    """Of each benchmark, at each of these times."""
