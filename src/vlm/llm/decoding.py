"""How the next words are chosen, so that an answer depends on nothing but its own question."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)


@dataclass(frozen=True)
class Decoding:
    """What ends an answer, and how its words are drawn.

    Args:
        max_new_tokens: An answer is cut there.
        temperature: 0 takes the most likely word; above, words are drawn, the more evenly the higher.
        top_p: Draw from the most likely words that hold this share of the probability; None from all.
        top_k: Draw from so many of the most likely words; None from all.
        num_beams: Answers that are pursued at once, of which the likeliest is taken.
        stop: An answer ends before the first of these.

    Raises:
        ValueError: Beams are to be drawn.
    """

    max_new_tokens: int
    temperature: int | float = 0
    top_p: int | float | None = None
    top_k: int | None = None
    num_beams: int = 1
    stop: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.temperature and self.num_beams > 1:
            raise ValueError(
                f"evaluation.decoding.temperature={self.temperature} draws words, and num_beams="
                f"{self.num_beams} pursues the likeliest; set one of them back"
            )
        if not self.temperature and (self.top_p is not None or self.top_k is not None):
            raise ValueError(
                "evaluation.decoding.top_p and top_k have no effect at temperature=0, which draws nothing; "
                "set a temperature"
            )

    def config(self, stop_ids: Sequence[int], pad_id: int | None) -> GenerationConfig:
        """Return transformers' settings; a checkpoint's own, such as penalties, have no say.

        Drawing is done by `draws`, so transformers is asked for the most likely word.
        """
        return GenerationConfig(
            max_new_tokens=self.max_new_tokens,
            do_sample=False,
            num_beams=self.num_beams,
            stop_strings=list(self.stop) or None,
            eos_token_id=list(stop_ids),
            pad_token_id=pad_id,
        )

    def draws(self, seeds: Sequence[int]) -> LogitsProcessorList:
        """Return what makes the likeliest word a drawn one; nothing at temperature 0.

        Args:
            seeds: One for each row.
        """
        if not self.temperature:
            return LogitsProcessorList()
        steps: list[LogitsProcessor] = [TemperatureLogitsWarper(float(self.temperature))]
        if self.top_k is not None:
            steps.append(TopKLogitsWarper(self.top_k))
        if self.top_p is not None:
            steps.append(TopPLogitsWarper(float(self.top_p)))
        return LogitsProcessorList([*steps, GumbelNoise(seeds)])

    def cut(self, text: str) -> str:
        """Return the text before the first stop."""
        return text[: min((text.find(stop) for stop in self.stop if stop in text), default=len(text))]


class GumbelNoise(LogitsProcessor):  # type: ignore[misc]
    """Add noise after which the likeliest word is one drawn from the softmax (Gumbel 1954).

    Each row's noise follows from its seed and place alone, so a draw is the same in any batch.

    Args:
        seeds: One for each row.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        self.seeds = seeds

    def __call__(
        self, input_ids: Int[Tensor, "batch new_token"], scores: Float[Tensor, "batch vocabulary"]
    ) -> Float[Tensor, "batch vocabulary"]:
        """Return the scores, noisy."""
        place, noise = input_ids.shape[1], []
        for seed in self.seeds:
            generator = torch.Generator().manual_seed((seed * 1_000_003 + place) % 2**63)
            uniform = torch.rand(scores.shape[1], generator=generator)
            noise.append(-torch.log(-torch.log(uniform.clamp(min=torch.finfo(uniform.dtype).tiny))))
        return scores + torch.stack(noise).to(scores)
