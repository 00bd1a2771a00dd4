"""An LLM embeds ids, turns a sequence into hidden states, and owns the head."""

from abc import abstractmethod

import lightning
from jaxtyping import Float, Int
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from vlm.data.template import Template
from vlm.shapes import Boundaries, PaddedMask, PaddedSequence, Sequence, TokenIds


class LLM(lightning.LightningModule):
    """The contract of every LLM.

    Args:
        template: How it was taught to converse; a stage may use another.
        context_length: In tokens.
        licence: SPDX name or a short text, of the weights.
    """

    tokenizer: PreTrainedTokenizerBase

    def __init__(self, template: Template, context_length: int, licence: str) -> None:
        super().__init__()
        self.template, self.context_length, self.licence = template, context_length, licence

    @property
    @abstractmethod
    def text_dim(self) -> int:
        """Size of an embedding and of a hidden state."""

    @abstractmethod
    def embed(self, ids: TokenIds) -> Sequence:
        """Look up words."""

    @abstractmethod
    def forward(self, sequence: Sequence, position_ids: TokenIds, boundaries: Boundaries) -> Sequence:
        """Return the last hidden states of packed documents that cannot see each other."""

    @property
    @abstractmethod
    def head(self) -> Float[Tensor, "vocabulary text_dim"]:
        """Weights that turn a hidden state into the logits of the next word."""

    @abstractmethod
    def generate(
        self, sequence: PaddedSequence, mask: PaddedMask, max_new_tokens: int
    ) -> Int[Tensor, "batch new_token"]:
        """Continue left-padded sequences greedily; return the new ids only."""
