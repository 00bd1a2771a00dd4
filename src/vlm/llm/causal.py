"""Any causal language model of transformers: Llama, Vicuna, Qwen, Mistral, ..."""

from collections.abc import Mapping
from collections.abc import Sequence as Several
from functools import cached_property
from typing import Any

import torch
from accelerate import init_empty_weights
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    DynamicCache,
    GenerationConfig,
    PreTrainedTokenizerBase,
)

from vlm.checkpoint import check_stated, read_checkpoint, read_files
from vlm.data.batch import Edges
from vlm.data.template import Template
from vlm.llm.attention import NAME as VARLEN
from vlm.llm.base import LLM, Logits, SharedBeginnings
from vlm.llm.decoding import Decoding
from vlm.llm.sentencepiece import follow_scores
from vlm.llm.slices import checkpoint_slices
from vlm.llm.twin import shrink
from vlm.meta import builds_shapes_only
from vlm.paths import part_files
from vlm.shapes import PaddedMask, PaddedSequence, Sequence, TokenIds

FILES = "config.json, the tokenizer's files and *.safetensors"


class CausalLM(LLM):
    """A causal LM that reads packed documents through varlen attention.

    Args:
        checkpoint: Where it is published: a hub's name, or a folder in transformers' format.
        weights: `pretrained` reads the checkpoint; `random`; or a folder to read instead.
        config: What of its `config.json` is known without its files: `model_type` and sizes, by
            transformers' names. None reads them from the files.
        template: How it was taught to converse.
        pad_token: Fills the left of shorter prompts in generation, and is never attended to; None is the
            tokenizer's own. No token is ever added to a vocabulary.
        context_length: In tokens; None is what its config says.
        licence: Of the weights.

    Raises:
        ValueError: The folder does not exist, or the config is none of transformers'.
    """

    def __init__(
        self,
        checkpoint: str,
        weights: str,
        config: Mapping[str, Any] | None,
        template: Template,
        pad_token: str | None,
        context_length: int | None,
        licence: str,
    ) -> None:
        files = part_files("llm", checkpoint, weights, FILES)
        stated = dict(config) if config else None
        known = AutoConfig.for_model(**stated) if stated else read_checkpoint(AutoConfig, "llm", files, FILES)
        super().__init__(template, context_length or known.max_position_embeddings, licence)
        self.checkpoint, self.weights, self.pad_token = checkpoint, weights, pad_token
        self._files, self._stated, self.config = files, stated, known

    @classmethod
    def twin(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings of a small random model of the same family, with the packaged tokenizer."""
        stated = settings["config"]
        if stated is None:
            files = part_files("llm", settings["checkpoint"], settings["weights"], FILES)
            stated = read_checkpoint(AutoConfig, "llm", files, FILES).to_diff_dict()
        tokenizer = "tiny_llama"
        small = {"checkpoint": tokenizer, "weights": "random", "config": shrink(stated), "pad_token": None}
        return {**settings, **small, "context_length": 2048}

    def locate(self) -> None:
        """Find the tokenizer and the configuration, and hold what the settings state to it."""
        self.tokenizer  # noqa: B018 (reads it)
        if self.weights == "random":
            return
        found = self._read(AutoConfig)
        check_stated(self._stated or {}, found, "llm", self._files)
        self.config = found

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The checkpoint's own, with the padding token that the settings name."""
        tokenizer = self._read(AutoTokenizer)
        follow_scores(tokenizer)
        pad_token = self.pad_token or tokenizer.pad_token or tokenizer.eos_token
        if pad_token not in tokenizer.get_vocab():
            raise ValueError(f"llm.pad_token={pad_token} is no token of {self._files}; choose one that is")
        tokenizer.pad_token = pad_token
        tokenizer.model_max_length = self.context_length
        return tokenizer

    def _read(self, kind: Any, **options: Any) -> Any:
        return read_checkpoint(kind, "llm", self._files, FILES, **options)

    @property
    def source(self) -> str:
        """The hub's name, or the folder."""
        return self.checkpoint

    @property
    def text_dim(self) -> int:
        """The configuration's hidden size."""
        return int(self.config.hidden_size)

    @property
    def blocks(self) -> list[nn.ModuleList]:
        """The decoder's layers."""
        return [self.network.base_model.layers]

    def configure_model(self) -> None:
        """Build the network and load its weights; a second call does nothing.

        Raises:
            ValueError: The weights are damaged, lack some, or do not fit.
        """
        if hasattr(self, "network"):
            return
        if self.weights == "random" or builds_shapes_only():
            self.network = AutoModelForCausalLM.from_config(self.config, dtype=torch.float32)
            return
        options = {"quantization_config": self.quantization} if self.quantization else {}
        self.network, report = self._read(
            AutoModelForCausalLM, dtype=torch.float32, output_loading_info=True, **options
        )
        if report["missing_keys"]:  # transformers would train on from random numbers
            raise ValueError(
                f"llm.checkpoint={self._files} lacks {min(report['missing_keys'])}; copy it again"
            )

    @property
    def can_be_read_by_rows(self) -> bool:
        """If it has files, and each weight one name in them."""
        tied = getattr(self.config, "tie_word_embeddings", False)
        return self.weights != "random" and not self.quantization and not tied

    def build_empty(self) -> None:
        """Build the network's weights on the meta device, its tables of rotations as they are."""
        with init_empty_weights(include_buffers=False):
            self.network = AutoModelForCausalLM.from_config(self.config, dtype=torch.float32)

    def published(self) -> Mapping[str, Any]:
        """Return the checkpoint's tensors."""
        return read_files(checkpoint_slices, "llm", self._files, FILES)

    def embed(self, ids: TokenIds) -> Sequence:
        """Look up words."""
        return self.network.get_input_embeddings()(ids)

    def forward(self, sequence: Sequence, position_ids: TokenIds, edges: Edges) -> Sequence:
        """Return the last hidden states, by varlen attention."""
        self._attend_with(VARLEN)
        outputs = self.network.base_model(
            inputs_embeds=sequence.unsqueeze(0),
            position_ids=position_ids.unsqueeze(0),
            edges=edges,
            use_cache=False,
        )
        hidden: Sequence = outputs.last_hidden_state.squeeze(0)
        return hidden

    @property
    def head(self) -> Float[Tensor, "vocabulary text_dim"]:
        """The output embedding."""
        weight: Tensor = self.network.get_output_embeddings().weight
        return weight

    @property
    def logit_cap(self) -> float | None:
        """Gemma 2's soft cap."""
        return getattr(self.config, "final_logit_softcapping", None)

    @torch.no_grad()
    def generate(
        self,
        sequence: PaddedSequence,
        mask: PaddedMask,
        decoding: Decoding,
        seeds: Several[int],
        shared: SharedBeginnings | None = None,
    ) -> Int[Tensor, "batch new_token"]:
        """Continue left-padded sequences, with a KV cache; return the new ids only."""
        self._attend_with(self._padded_attention)
        # A checkpoint's own settings (penalties, temperatures) would fill what the sentence leaves open.
        self.network.generation_config = GenerationConfig()
        known = {"past_key_values": DynamicCache(config=self.network.config)} if shared else {}
        if shared:
            self._read_beginnings(sequence, mask, shared, known["past_key_values"])
        if known and decoding.num_beams > 1:
            known["past_key_values"].batch_repeat_interleave(decoding.num_beams)
        ids: Int[Tensor, "batch new_token"] = self.network.generate(
            inputs_embeds=sequence,
            attention_mask=mask,
            generation_config=decoding.config(self.stop_ids, self.tokenizer.pad_token_id),
            logits_processor=decoding.draws(seeds),
            tokenizer=self.tokenizer,
            **known,
        )
        return ids

    @torch.no_grad()
    def begin(
        self, sequence: PaddedSequence, mask: PaddedMask, shared: SharedBeginnings | None = None
    ) -> tuple[Logits, DynamicCache]:
        """Read left-padded sequences; return the logits of what follows each, and keys and values."""
        self._attend_with(self._padded_attention)
        cache = DynamicCache()  # whole, where layers have a window, too: rows of other lengths may join
        if shared:
            self._read_beginnings(sequence, mask, shared, cache)
        return self._read_on(sequence[:, shared.num_columns if shared else 0 :], mask, cache), cache

    @torch.no_grad()
    def go_on(self, ids: Int[Tensor, " batch"], mask: PaddedMask, cache: DynamicCache) -> Logits:
        """Read one more word of each row; return the logits of what follows it."""
        self._attend_with(self._padded_attention)
        return self._read_on(self.embed(ids).unsqueeze(1), mask, cache)

    def _read_on(
        self, sequence: PaddedSequence, mask: Int[Tensor, "batch column"], cache: DynamicCache
    ) -> Logits:
        """Read what stands in the last columns; the cache has those before."""
        places = (mask.cumsum(-1) - 1).clamp(min=0)
        outputs = self.network(
            inputs_embeds=sequence,
            attention_mask=mask,
            position_ids=places[:, -sequence.shape[1] :],
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits: Logits = outputs.logits[:, -1].float()
        return logits

    def _read_beginnings(
        self, sequence: PaddedSequence, mask: PaddedMask, shared: SharedBeginnings, cache: DynamicCache
    ) -> None:
        """Put keys and values of all rows' first columns there; each distinct beginning is read once."""
        here = mask[shared.rows, : shared.num_columns]
        self.network.base_model(
            inputs_embeds=sequence[shared.rows, : shared.num_columns],
            attention_mask=here,
            position_ids=(here.cumsum(-1) - 1).clamp(min=0),
            past_key_values=cache,
            use_cache=True,
        )
        cache.batch_select_indices(shared.of)

    @property
    def _padded_attention(self) -> str:
        """A kernel without soft caps of the scores would refuse, so the plain formula it is for those."""
        return "eager" if getattr(self.config, "attn_logit_softcapping", None) else "sdpa"

    def _attend_with(self, implementation: str) -> None:
        if self.network.config._attn_implementation != implementation:
            self.network.set_attn_implementation(implementation)
