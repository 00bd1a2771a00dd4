"""The floating-point operations of training, counted by running the parts without values.

A multiply-accumulate is two operations. A matrix product costs them once forward, once more backward where a
gradient passes through its input, and once more where its weights learn: autograd itself decides, on the
meta device. Attention is counted exactly, by the pairs of positions that see each other.

Not counted: element-wise work, norms, softmax, looking up embeddings, the optimizer's step, and what kernels
and the loss compute again for themselves.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from vlm.data.batch import Edges
from vlm.llm.attention import NAME as VARLEN
from vlm.model.vision_language import VisionLanguageModel


@dataclass(frozen=True)
class Flops:
    """Floating-point operations of something.

    Args:
        forward: Of the forward pass.
        backward: Of the gradients.
        recomputed: What activation checkpointing does again of the forward pass.
    """

    forward: int = 0
    backward: int = 0
    recomputed: int = 0

    @property
    def model(self) -> int:
        """What learning takes, whatever else is done; of MFU (Chowdhery et al. 2022, arXiv:2204.02311)."""
        return self.forward + self.backward

    @property
    def hardware(self) -> int:
        """What is done, of HFU."""
        return self.model + self.recomputed

    def __add__(self, other: "Flops") -> "Flops":
        return Flops(
            self.forward + other.forward, self.backward + other.backward, self.recomputed + other.recomputed
        )

    def __mul__(self, times: int) -> "Flops":
        return Flops(self.forward * times, self.backward * times, self.recomputed * times)


@dataclass(frozen=True)
class ModelFlops:
    """What a row costs, by what is in it.

    Args:
        per_row: Whatever is in it: DoRA's norms of weights.
        per_tile: Of encoder and projector.
        per_token: Of the LLM, but for attention and the head.
        per_supervised: Of the head, which is applied to supervised tokens only.
        per_pair: Of attention, for a pair of positions that see each other: all LLM layers that have the
            same window together, by the window (None: none).
    """

    per_row: Flops
    per_tile: Flops
    per_token: Flops
    per_supervised: Flops
    per_pair: Mapping[int | None, Flops]

    def of_row(
        self, num_tiles: int, lengths: Sequence[int], num_supervised: int, checkpointing: bool = False
    ) -> Flops:
        """Return what a packed row costs.

        Args:
            num_tiles: Of its pictures; a row without any runs one blank tile.
            lengths: Tokens of each document, visual ones and padding among them.
            num_supervised: Positions whose next token is learned.
            checkpointing: Whether the blocks of encoder and LLM keep no activations.
        """
        total = self.per_row + self.per_tile * max(num_tiles, 1) + self.per_token * sum(lengths)
        total += self.per_supervised * num_supervised
        for window, flops in self.per_pair.items():
            total += flops * sum(count_pairs(length, window) for length in lengths)
        return total if checkpointing else Flops(total.forward, total.backward)


def count_pairs(length: int, window: int | None) -> int:
    """Return how often a position of a document sees another or itself.

    Args:
        length: In tokens.
        window: How many tokens, itself included, a token sees at most; None is all before it.
    """
    seen = length if window is None else min(length, window)
    return seen * (seen + 1) // 2 + (length - seen) * seen


def count_flops(model: VisionLanguageModel) -> ModelFlops:
    """Return what rows of a model cost, as its parts learn.

    Recomputed is what torch's checkpointing of a block does again where a gradient passes through it: all but
    the last products, whose results nothing needs.

    Args:
        model: Built on the meta device, its blocks as they are built; `requires_grad` says what learns.

    Raises:
        ValueError: The work depends on values, as that of a mixture of experts does.
    """
    head = model.llm.head
    assert head.is_meta
    in_encoder = [block for stack in model.encoder.blocks for block in stack]
    tiles, tokens = [], []
    try:
        for size in (1, 2):
            tiles.append(_Tally(in_encoder).run(partial(_see, model, size))[0])
            attention = _Tally(block for stack in model.llm.blocks for block in stack)
            flops, hidden = attention.run(partial(_read, model, size))
            tokens.append(flops)
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"operations of these parts cannot be counted without values: {reason}") from error
    model.zero_grad()
    per_tile, per_token = (two + one * -1 for one, two in (tiles, tokens))
    product = 2 * head.numel()
    return ModelFlops(
        per_row=tiles[0] + per_tile * -1 + tokens[0] + per_token * -1,
        per_tile=per_tile,
        per_token=per_token,
        per_supervised=Flops(product, product * (hidden.requires_grad + head.requires_grad)),
        per_pair=dict(attention.per_pair),
    )


def _see(model: VisionLanguageModel, num_tiles: int) -> Tensor:
    """Return the visual tokens of tiles."""
    side = model.encoder.image_size
    tiles = torch.empty(num_tiles, side, side, 3, dtype=torch.uint8, device="meta")
    visual: Tensor = model.projector(model.encoder(model.encoder.normalise(tiles)))
    return visual


def _read(model: VisionLanguageModel, num_tokens: int) -> Tensor:
    """Return the hidden states of a document."""
    places = torch.arange(num_tokens, device="meta")
    sequence = model.llm.embed(places)
    seen = (weight for part in (model.encoder, model.projector) for weight in part.parameters())
    if any(weight.requires_grad for weight in seen) and not sequence.requires_grad:
        sequence.requires_grad_()  # as the visual tokens among them would have it
    hidden: Tensor = model.llm(sequence, places, Edges.of([num_tokens]))
    return hidden


class _Tally:
    """Counts a forward and a backward pass.

    Args:
        blocks: Those that are checkpointed.
    """

    def __init__(self, blocks: Iterable[nn.Module]) -> None:
        self.blocks, self.per_pair = list(blocks), defaultdict[int | None, Flops](Flops)
        self._counter = FlopCounterMode(display=False)
        self._goes_back, self._again = False, 0

    def run(self, forward: Callable[[], Tensor]) -> tuple[Flops, Tensor]:
        """Return what both passes cost, but for varlen attention, and what the first returns."""
        with torch.enable_grad(), self._installed(), self._counter:
            output = forward()
            first = self._counter.get_total_flops()
            self._goes_back = True
            if output.requires_grad:
                torch.autograd.backward(output, torch.empty_like(output))
        backward = self._counter.get_total_flops() - first - self._again
        return Flops(first, backward, self._again), output

    @contextmanager
    def _installed(self) -> Iterator[None]:
        ALL_ATTENTION_FUNCTIONS[VARLEN] = self._attend
        for block in self.blocks:
            again = partial(self._do, block.forward)
            block.forward = partial(checkpoint, again, use_reentrant=False, preserve_rng_state=False)
        try:
            yield
        finally:
            del ALL_ATTENTION_FUNCTIONS[VARLEN]
            for block in self.blocks:
                del block.forward

    def _do(self, forward: Callable[..., Any], *inputs: Any, **options: Any) -> Any:
        """Run a block, and count it if it has run before."""
        before = self._counter.get_total_flops()
        try:
            return forward(*inputs, **options)
        finally:  # checkpointing breaks off where nothing more is needed
            if self._goes_back:
                self._again += self._counter.get_total_flops() - before

    def _attend(
        self, module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: None,
        *, sliding_window: int | None = None, **_: Any,
    ) -> tuple[Tensor, None]:  # fmt: skip
        """Stand in for varlen attention: count a pair, and let gradients pass."""
        heads, groups = query.shape[1], query.shape[1] // key.shape[1]
        key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
        scores = (query + key).sum(-1, keepdim=True)
        to_scores, to_values = 2 * heads * key.shape[-1], 2 * heads * value.shape[-1]
        backward = to_scores * (query.requires_grad + key.requires_grad)
        backward += to_values * (scores.requires_grad + value.requires_grad)
        done = Flops(to_scores + to_values, backward)
        self.per_pair[sliding_window] += Flops(recomputed=done.forward) if self._goes_back else done
        return (scores + value).transpose(1, 2), None
