"""An LLM embeds ids, turns a sequence into hidden states, and owns the head."""

from abc import abstractmethod
from collections.abc import Mapping
from collections.abc import Sequence as Several
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import DynamicCache, PreTrainedTokenizerBase

from vlm.data.batch import Edges
from vlm.data.template import Template
from vlm.llm.decoding import Decoding
from vlm.part import Part
from vlm.shapes import PaddedMask, PaddedSequence, Sequence, TokenIds

Logits = Float[Tensor, "batch vocabulary"]
"""Of the next word of each row, in float32."""


@dataclass(frozen=True)
class SharedBeginnings:
    """Rows of a batch that begin alike, so that each beginning is read once.

    Args:
        num_columns: Of the beginnings; their padding is among them.
        rows: One for each distinct beginning.
        of: Which of these each row of the batch begins with.
    """

    num_columns: int
    rows: Int[Tensor, " beginning"]
    of: Int[Tensor, " batch"]


class LLM(Part):
    """The contract of every LLM.

    Args:
        template: How it was taught to converse; a stage may use another.
        context_length: In tokens.
        licence: SPDX name or a short text, of the weights.
    """

    quantization: Any = None
    """How to load frozen weights in fewer bits; an adapter asks for it."""

    def __init__(self, template: Template, context_length: int, licence: str) -> None:
        super().__init__(licence)
        self._template, self.context_length = template, context_length

    @cached_property
    def template(self) -> Template:
        """How it was taught to converse."""
        return self._template.of(self.tokenizer)

    @property
    @abstractmethod
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """Text to ids; its padding token is set."""

    @property
    @abstractmethod
    def blocks(self) -> list[nn.ModuleList]:
        """The layers of each transformer in it, first to last, once built; an LLM has one."""

    @property
    @abstractmethod
    def can_be_read_by_rows(self) -> bool:
        """Whether `build_empty` and `published` may take the place of `configure_model`."""

    @abstractmethod
    def build_empty(self) -> None:
        """Build the network without values; what follows from its settings has them."""

    @abstractmethod
    def published(self) -> Mapping[str, Any]:
        """Return its published weights, of which any rows can be read, by the network's names.

        Raises:
            ValueError: They are missing or damaged.
        """

    @property
    @abstractmethod
    def text_dim(self) -> int:
        """Size of an embedding and of a hidden state."""

    @abstractmethod
    def embed(self, ids: TokenIds) -> Sequence:
        """Look up words."""

    @abstractmethod
    def forward(self, sequence: Sequence, position_ids: TokenIds, edges: Edges) -> Sequence:
        """Return the last hidden states of packed documents that cannot see each other.

        Args:
            sequence: Of all documents, end to end.
            position_ids: Counted from the start of each document.
            edges: Of the documents.
        """

    @property
    @abstractmethod
    def head(self) -> Float[Tensor, "vocabulary text_dim"]:
        """Weights that turn a hidden state into the logits of the next word."""

    @property
    def logit_cap(self) -> float | None:
        """The value `c` of logits that are softly capped as `c tanh(logits / c)`; None caps nothing."""
        return None

    @property
    def stop_ids(self) -> list[int]:
        """Tokens that end an answer: the tokenizer's EOS, and what closes an answer of the template."""
        end = self.tokenizer.get_vocab().get(self.template.answer_end.strip())
        return sorted({self.tokenizer.eos_token_id} | ({end} if end is not None else set()))

    @abstractmethod
    def generate(
        self,
        sequence: PaddedSequence,
        mask: PaddedMask,
        decoding: Decoding,
        seeds: Several[int],
        shared: SharedBeginnings | None = None,
    ) -> Int[Tensor, "batch new_token"]:
        """Continue left-padded sequences; return the new ids only.

        Args:
            sequence: Embedded, one row each.
            mask: 1 where a row has words.
            decoding: How words are chosen.
            seeds: Of each row, where words are drawn.
            shared: Columns that some rows have in common; None says nothing.
        """

    @abstractmethod
    def begin(
        self, sequence: PaddedSequence, mask: PaddedMask, shared: SharedBeginnings | None = None
    ) -> tuple[Logits, DynamicCache]:
        """Read left-padded sequences that are continued word by word, by whoever chooses the words.

        Args:
            sequence: Embedded, one row each.
            mask: 1 where a row has words.
            shared: Columns that some rows have in common; None says nothing.

        Returns:
            The logits of what follows each row, and the keys and values of all its columns.
        """

    @abstractmethod
    def go_on(self, ids: Int[Tensor, " batch"], mask: PaddedMask, cache: DynamicCache) -> Logits:
        """Read one more word of each row; return the logits of what follows it.

        Args:
            ids: The words.
            mask: 1 where a row has words, a column for these among them.
            cache: Keys and values of what was read; theirs are added.
        """
